// An authorization server for the tests beside this file: oidc-provider with one
// client that may use the client-credentials grant.
//
//   PORT           where it listens on 127.0.0.1; its issuer is http://127.0.0.1:PORT
//   CLIENT_ID      the client
//   CLIENT_SECRET  its secret
//
// The resource indicator (RFC 8707) chooses audience and algorithm:
// https://api.example.test/ES256 gives a JWT for https://api.example.test signed
// with ES256. Without one the token is opaque.
//
// POST /test/rotate makes a new key for each algorithm, and the new ones sign from
// then on. The old ones stay published; with ?drop they are gone.
import http from 'node:http';
import { calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose';
import Provider, { errors } from 'oidc-provider';

const { PORT, CLIENT_ID, CLIENT_SECRET } = process.env;
const issuer = `http://127.0.0.1:${PORT}`;
const algorithms = { RS256: {}, PS256: {}, ES256: {}, EdDSA: { crv: 'Ed25519' } };
const audiences = ['https://api.example.test', 'https://other.example.test'];
const scope = 'orders:read orders:write';

function resourceServer(ctx, resource) {
  const { origin, pathname } = new URL(resource);
  const alg = pathname.slice(1);
  if (!audiences.includes(origin) || !(alg in algorithms)) {
    throw new errors.InvalidTarget();
  }
  return { audience: origin, scope, accessTokenFormat: 'jwt', accessTokenTTL: 300, jwt: { sign: { alg } } };
}

async function generateKeys() {
  return Promise.all(Object.entries(algorithms).map(async ([alg, options]) => {
    const { privateKey } = await generateKeyPair(alg, { extractable: true, ...options });
    const jwk = await exportJWK(privateKey);
    return { ...jwk, alg, use: 'sig', kid: await calculateJwkThumbprint(jwk) };
  }));
}

// A Provider's keys are fixed when it is built: other keys take another Provider.
function build(keys) {
  return new Provider(issuer, {
    jwks: { keys },
    scopes: scope.split(' '),
    clients: [{
      client_id: CLIENT_ID,
      client_secret: CLIENT_SECRET,
      scope,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
    }],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: { enabled: true, defaultResource: () => undefined, getResourceServerInfo: resourceServer },
    },
  }).callback();
}

let keys = await generateKeys();
let app = build(keys);

// The first key of an algorithm signs.
async function rotate(drop) {
  const fresh = await generateKeys();
  keys = drop ? fresh : [...fresh, ...keys];
  app = build(keys);
}

http.createServer(async (req, res) => {
  const { pathname, searchParams } = new URL(req.url, issuer);
  if (req.method !== 'POST' || pathname !== '/test/rotate') {
    return app(req, res);
  }
  await rotate(searchParams.has('drop'));
  res.writeHead(204).end();
}).listen(+PORT, '127.0.0.1');
