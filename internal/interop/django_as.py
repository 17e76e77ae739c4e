# An authorization server for the tests beside this file: django-oauth-toolkit with one
# client that may use the client-credentials grant, and one that may introspect.
#
#   PORT           where it listens on 127.0.0.1
#   DATABASE       the file that it keeps its tokens in; they outlive a restart
#   CLIENT_ID      the client
#   CLIENT_SECRET  its secret
#   API_SECRET     the secret of the client "api"
import os
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import django
from django.conf import settings

SCOPES = ("orders:read", "orders:write", "introspection")

settings.configure(
    SECRET_KEY=os.urandom(32).hex(),
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["DATABASE"]}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "oauth2_provider"],
    OAUTH2_PROVIDER={"SCOPES": {s: s for s in SCOPES}, "ACCESS_TOKEN_EXPIRE_SECONDS": 300},
    LOGGING_CONFIG=None,
)
django.setup()

from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import include, path  # noqa: E402
from oauth2_provider.models import Application  # noqa: E402

urlpatterns = [path("o/", include("oauth2_provider.urls", namespace="oauth2_provider"))]

call_command("migrate", verbosity=0)
for client_id, secret in ((os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"]), ("api", os.environ["API_SECRET"])):
    Application.objects.update_or_create(
        client_id=client_id,
        defaults={
            "client_secret": secret,
            "client_type": Application.CLIENT_CONFIDENTIAL,
            "authorization_grant_type": Application.GRANT_CLIENT_CREDENTIALS,
            "name": client_id,
        },
    )


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Handler(WSGIRequestHandler):
    def log_message(self, *args):
        pass


make_server("127.0.0.1", int(os.environ["PORT"]), get_wsgi_application(), Server, Handler).serve_forever()
