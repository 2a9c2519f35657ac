"""https_server.py CERTIFICATE VERSION: answers as Domoticz does, over TLS, with CERTIFICATE.pem and CERTIFICATE.key.

VERSION is any, 1.2 or 1.3. Prints its TCP port, then a line for each request: version, login, path.
"""

import http.server
import ssl
import sys

certificate, version = sys.argv[1:]


class Domoticz(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print(self.connection.version(), self.headers["Authorization"], self.path, flush=True)
        answer = b'{\n\t"status" : "OK",\n\t"title" : "Update Device"\n}\n'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Domoticz)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(f"{certificate}.pem", f"{certificate}.key")
if version != "any":
    context.minimum_version = context.maximum_version = ssl.TLSVersion["TLSv" + version.replace(".", "_")]
# The handshake is done by the first read of each connection's thread.
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
print(server.server_port, flush=True)
server.serve_forever()
