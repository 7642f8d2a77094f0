"""`python -m query_api`: serve queries alone."""

from infrastructure.serving import serve
from infrastructure.settings import Settings

if __name__ == "__main__":
    settings = Settings.load()
    serve("query_api.app:create_app", settings.host, settings.port, metrics_port=settings.metrics_port)
