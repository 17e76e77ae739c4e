// An Express server with and without express-oauth2-jwt-bearer. It ends with its stdin.
import { createRequire } from 'node:module';
const [dir, jwksUri, issuer, audience] = process.argv.slice(2);
const require = createRequire(dir + '/');
const express = require('express');
const { auth } = require('express-oauth2-jwt-bearer');
const app = express();
const ok = (req, res) => res.send('ok');
app.get('/bare', ok);
app.get('/peer', auth({ issuer, audience, jwksUri, tokenSigningAlg: 'RS256' }), ok);
const server = app.listen(0, '127.0.0.1', () => console.log('127.0.0.1:' + server.address().port));
process.stdin.resume().on('end', () => process.exit(0));
