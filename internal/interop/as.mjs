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
//
// A token request with a DPoP proof gives a token that is bound to the proof's key.
//
// The resource indicator (RFC 8707) chooses audience and algorithm:
// https://api.example.test/ES256 gives a JWT for https://api.example.test signed
// with ES256, https://api.example.test/ES256/ECDH-ES/A256GCM the same encrypted.
// Without one the token is opaque.
//
// POST /test/rotate makes a new key for each algorithm, and the new ones sign from
// then on. The old ones stay published; with ?drop they are gone.
import { createPublicKey, createSecretKey, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose';
import Provider, { errors } from 'oidc-provider';

const { PORT, CLIENT_ID, CLIENT_SECRET, TLS_CERT, TLS_KEY, DPOP_NONCE, CERT_BOUND, API_KEYS = '{}' } = process.env;
const issuer = `${TLS_CERT ? 'https' : 'http'}://127.0.0.1:${PORT}`;
const nonceSecret = randomBytes(32);
const algorithms = { RS256: {}, PS256: {}, ES256: {}, EdDSA: { crv: 'Ed25519' } };
const audiences = ['https://api.example.test', 'https://other.example.test'];
const scope = 'orders:read orders:write';
const apiKeys = JSON.parse(API_KEYS);

function resourceServer(ctx, resource) {
  const { origin, pathname } = new URL(resource);
  const [alg, keyAlg, enc] = pathname.slice(1).split('/');
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
    }],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      mTLS: { enabled: true, certificateBoundAccessTokens: true, getCertificate: (ctx) => ctx.socket.getPeerX509Certificate?.() },
      dPoP: { enabled: true, nonceSecret, requireNonce: () => DPOP_NONCE === '1' },
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
