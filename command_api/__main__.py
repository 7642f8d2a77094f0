"""`python -m command_api`: serve commands alone."""

from infrastructure.serving import serve
from infrastructure.settings import Settings

if __name__ == "__main__":
    settings = Settings.load()
    serve("command_api.app:create_app", settings.host, settings.port, metrics_port=settings.metrics_port)
