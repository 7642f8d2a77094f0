"""Each module has a system of its own."""

from tests.support.running import gateway, module_settings, running, url

__all__ = ["gateway", "module_settings", "running", "url"]
