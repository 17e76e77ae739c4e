// A client that proves possession of its key (RFC 9449), for the tests beside this
// file: it gets a token, calls an API in ways that are right and wrong, and prints
// what it was answered, a line of JSON for each call.
//
//   TOKEN_URL, CLIENT_ID, CLIENT_SECRET, RESOURCE  where and how it gets the token
//   API_URL                                        what it calls
//   ALG                                            the algorithm of its key
//
// Only jose takes part in the proofs.
import { createHash, randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';

const { TOKEN_URL, CLIENT_ID, CLIENT_SECRET, RESOURCE, API_URL, ALG } = process.env;

async function newKey() {
  const { publicKey, privateKey } = await generateKeyPair(ALG, ALG === 'EdDSA' ? { crv: 'Ed25519' } : {});
  return { privateKey, jwk: await exportJWK(publicKey) };
}

function prove(key, method, url, { token, nonce, typ = 'dpop+jwt', ...claims } = {}) {
  const ath = token && createHash('sha256').update(token).digest('base64url');
  return new SignJWT({ htm: method, htu: url, jti: randomUUID(), ...(ath && { ath }), ...(nonce && { nonce }), ...claims })
    .setProtectedHeader({ alg: ALG, typ, jwk: key.jwk })
    .setIssuedAt(claims.iat)
    .sign(key.privateKey);
}

async function getToken(key) {
  const basic = Buffer.from(`${CLIENT_ID}:${CLIENT_SECRET}`).toString('base64');
  let nonce;
  for (let attempt = 0; attempt < 2; attempt++) {
    const response = await fetch(TOKEN_URL, {
      method: 'POST',
      headers: { authorization: `Basic ${basic}`, dpop: await prove(key, 'POST', TOKEN_URL, { nonce }) },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'orders:read', resource: RESOURCE }),
    });
    const body = await response.json();
    if (response.ok) {
      return { ...body, nonce };
    }
    nonce = response.headers.get('dpop-nonce');
    if (body.error !== 'use_dpop_nonce') {
      throw new Error(`token request: ${response.status} ${body.error}`);
    }
  }
  throw new Error('token request: a nonce that the server made is refused');
}

// call prints an answer and gives the nonce in it.
async function call(name, authorization, ...proofs) {
  const headers = new Headers({ authorization });
  proofs.forEach((proof) => headers.append('dpop', proof));
  const response = await fetch(API_URL, { headers });
  const nonce = response.headers.get('dpop-nonce');
  console.log(JSON.stringify({ name, status: response.status, error: (await response.json()).error ?? '', nonce: nonce !== null }));
  return nonce;
}

const key = await newKey();
const { access_token: token, token_type: type, nonce: foreign } = await getToken(key);
if (type !== 'DPoP') {
  throw new Error(`the token is a ${type} token`);
}
const dpop = `DPoP ${token}`;
const proof = (more) => prove(key, 'GET', API_URL, { token, ...more });

const nonce = await call('the first call', dpop, await proof({ nonce: foreign })) ?? undefined;
const good = await proof({ nonce });
await call('a good proof', dpop, good);
await call('the same proof again', dpop, good);
await call('another good proof', dpop, await proof({ nonce }));
await call('the URL in another spelling', dpop, await prove(key, 'GET', `${API_URL.toUpperCase().replace('/ORDERS', '/%6frders')}?a=b#c`, { token, nonce }));
await call('no proof', dpop);
await call('two proofs', dpop, await proof({ nonce }), await proof({ nonce }));
await call('a proof for another method', dpop, await prove(key, 'POST', API_URL, { token, nonce }));
await call('a proof for another URL', dpop, await prove(key, 'GET', `${API_URL}/1`, { token, nonce }));
await call('a proof for another token', dpop, await prove(key, 'GET', API_URL, { token: 'another', nonce }));
await call('a proof without a token', dpop, await prove(key, 'GET', API_URL, { nonce }));
await call('a proof of another type', dpop, await proof({ nonce, typ: 'JWT' }));
await call('a proof of another key', dpop, await prove(await newKey(), 'GET', API_URL, { token, nonce }));
await call('an old proof', dpop, await proof({ nonce, iat: Math.floor(Date.now() / 1000) - 600 }));
await call('the token as a bearer token', `Bearer ${token}`, await proof({ nonce }));
