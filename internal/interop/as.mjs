// An authorization server for the tests beside this file: oidc-provider with one
// client that may use the client-credentials grant.
//
//   PORT           where it listens on 127.0.0.1; its issuer is http://127.0.0.1:PORT
//   CLIENT_ID      the client
//   CLIENT_SECRET  its secret
//   TLS_CERT, TLS_KEY  PEM files: it speaks https then
//   DPOP_NONCE     1: a token request with a DPoP proof needs a nonce
//   CERT_BOUND     1: the client's tokens are bound to the certificate of its TLS connection
//   API_KEYS       the APIs' public keys and shared secrets as a JSON object of JWKs
//                  by the alg of RFC 7518 section 4.1 that they are for; may be absent
//   API_SECRET     the secret of the clients "api" and "api-post", which may introspect
//   API_JWKS       the public keys of the client "api-key", which may too; it signs with ES256
//                  Without API_SECRET there are none of these clients
//
// A token request with a DPoP proof gives a token that is bound to the proof's key.
//
// The resource indicator (RFC 8707) chooses audience and algorithm:
// https://api.example.test/ES256 gives a JWT for https://api.example.test signed
// with ES256, https://api.example.test/ES256/ECDH-ES/A256GCM the same encrypted,
// https://api.example.test/opaque an opaque token. Without one the token is opaque and
// for nobody.
//
// POST /test/rotate makes a new key for each algorithm, and the new ones sign from
// then on. The old ones stay published; with ?drop they are gone.
import { createPublicKey, createSecretKey, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose';
import Provider, { errors } from 'oidc-provider';

const {
  PORT, CLIENT_ID, CLIENT_SECRET, TLS_CERT, TLS_KEY, DPOP_NONCE, CERT_BOUND, API_KEYS = '{}', API_SECRET, API_JWKS,
} = process.env;
const issuer = `${TLS_CERT ? 'https' : 'http'}://127.0.0.1:${PORT}`;
const nonceSecret = randomBytes(32);
const algorithms = { RS256: {}, PS256: {}, ES256: {}, EdDSA: { crv: 'Ed25519' } };
const audiences = ['https://api.example.test', 'https://other.example.test'];
const scope = 'orders:read orders:write';
const apiKeys = JSON.parse(API_KEYS);

function resourceServer(ctx, resource) {
  const { origin, pathname } = new URL(resource);
  const [alg, keyAlg, enc] = pathname.slice(1).split('/');
  if (audiences.includes(origin) && alg === 'opaque') {
    return { audience: origin, scope, accessTokenFormat: 'opaque', accessTokenTTL: 300 };
  }
  if (!audiences.includes(origin) || !(alg in algorithms) || (keyAlg && !(keyAlg in apiKeys))) {
    throw new errors.InvalidTarget();
  }
  const encrypt = keyAlg && { alg: keyAlg, enc, key: importKey(apiKeys[keyAlg]), kid: apiKeys[keyAlg].kid };
  return { audience: origin, scope, accessTokenFormat: 'jwt', accessTokenTTL: 300, jwt: { sign: { alg }, encrypt } };
}

function importKey(jwk) {
  return jwk.kty === 'oct' ? createSecretKey(jwk.k, 'base64url') : createPublicKey({ key: jwk, format: 'jwk' });
}

async function generateKeys() {
  return Promise.all(Object.entries(algorithms).map(async ([alg, options]) => {
    const { privateKey } = await generateKeyPair(alg, { extractable: true, ...options });
    const jwk = await exportJWK(privateKey);
    return { ...jwk, alg, use: 'sig', kid: await calculateJwkThumbprint(jwk) };
  }));
}

// The clients that the APIs are. They get no tokens.
const api = {
  client_secret: API_SECRET,
  introspection_signed_response_alg: 'ES256',
  grant_types: [],
  redirect_uris: [],
  response_types: [],
};
const apis = API_SECRET ? [
  { ...api, client_id: 'api' },
  { ...api, client_id: 'api-post', token_endpoint_auth_method: 'client_secret_post' },
  {
    ...api,
    client_id: 'api-key',
    token_endpoint_auth_method: 'private_key_jwt',
    token_endpoint_auth_signing_alg: 'ES256',
    jwks: JSON.parse(API_JWKS),
  },
] : [];

// A Provider's keys are fixed when it is built: other keys take another Provider.
function build(keys) {
  return new Provider(issuer, {
    jwks: { keys },
    scopes: scope.split(' '),
    enabledJWA: { dPoPSigningAlgValues: Object.keys(algorithms) },
    clients: [{
      client_id: CLIENT_ID,
      client_secret: CLIENT_SECRET,
      scope,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      ...(CERT_BOUND === '1' ? { tls_client_certificate_bound_access_tokens: true } : {}),
    }, ...apis],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      mTLS: { enabled: true, certificateBoundAccessTokens: true, getCertificate: (ctx) => ctx.socket.getPeerX509Certificate?.() },
      dPoP: { enabled: true, nonceSecret, requireNonce: () => DPOP_NONCE === '1' },
      introspection: { enabled: true, allowedPolicy: (ctx, client) => apis.some((a) => a.client_id === client.clientId) },
      jwtIntrospection: { enabled: true },
      revocation: { enabled: true },
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

async function answer(req, res) {
  const { pathname, searchParams } = new URL(req.url, issuer);
  if (req.method !== 'POST' || pathname !== '/test/rotate') {
    return app(req, res);
  }
  await rotate(searchParams.has('drop'));
  res.writeHead(204).end();
}

const server = TLS_CERT
  ? https.createServer({ cert: fs.readFileSync(TLS_CERT), key: fs.readFileSync(TLS_KEY), requestCert: true, rejectUnauthorized: false }, answer)
  : http.createServer(answer);
server.listen(+PORT, '127.0.0.1');
