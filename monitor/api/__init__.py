"""What can be changed over HTTP. Reading is the page's; see ``dashboards.page.site``."""
