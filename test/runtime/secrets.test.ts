import { describe, expect, it } from 'vitest';
import { isSecretField, isSecretName, withoutSecrets } from '../../lib/runtime/secrets.js';

describe('secrets', () => {
  it.each([
    ...['password', 'db.password', 'dbPassword', 'a.passwd', 'passwords[0]', 'smtp_pass', 'pwd', 'passphrase'],
    ...['API_KEY', 'apikey', 'privateKey', 'private-key', 'key', 'keys', 'ssh_keys', 'tls_key'],
    ...['client_secret', 'auth_token', 'tokens', 'accessToken', 'bearer', 'cookie', 'session_cookies', 'dsn'],
    ...['credentials', 'Authorization', 'jwt', 'pin', 'otp'],
  ])('takes %s for the name of one', (name) => {
    expect(isSecretName(name)).toBe(true);
  });

  it.each([
    ...['worker_threads', 'ttl_tokens', 'ttlTokens', 'max_tokens', 'compass', 'passed', 'host', 'username'],
    ...['routing_key', 'primaryKey', 'public_key', 'keyboard', 'monkey', 'pinned', 'tokenizer', ''],
  ])('takes %s for the name of none', (name) => {
    expect(isSecretName(name)).toBe(false);
  });

  it('knows that the log calls what tells an entity its key', () => {
    expect(['key', 'keys', 'api_key'].map(isSecretField)).toEqual([false, false, true]);
  });

  it.each([
    ['postgres://u:p@h/d', 'postgres://***@h/d'],
    ['postgres://me:x@db:5432/dp3?sslpassword=a&password=b', 'postgres://***@db:5432/dp3?***'],
    ['postgres:///dp3?host=/run&password=b', 'postgres:///dp3?***'],
    ['amqps://u:p:q/@r?@h:5671/v', 'amqps://***@h:5671/v'],
    ['redis://:p@[::1]:6379', 'redis://***@[::1]:6379'],
    ['mongodb://h1:1,h2:2/db/x', 'mongodb://h1:1,h2:2/db/***'],
    ['from amqp://u:p@ss@db/x and amqps://u@h.', 'from amqp://***@db/x and amqps://***@h.'],
    ['https://hooks.example.org/T0/B0/xyz', 'https://hooks.example.org/***'],
    ['postgres://u:a"b@h/d', 'postgres://***@h/d'],
    ['postgres://u:my pass', 'postgres://*** pass'],
  ])('shows of a URL host, port and database only: %s', (text, shown) => {
    expect(withoutSecrets(text)).toBe(shown);
  });

  it.each([
    ['host=h password=x dbname=d', 'host=h password=*** dbname=d'],
    ["password = 'a b' dbname=d", 'password = *** dbname=d'],
    ['Server=h;Uid=u;Pwd=x;', 'Server=h;Uid=u;Pwd=***;'],
    ['{"api_key": "x y", "n": 1}', '{"api_key": ***, "n": 1}'],
    [JSON.stringify(JSON.stringify({ token: 'x' })), String.raw`"{\"token\":***}"`],
    ['password:hunter2', 'password:***'],
    ['Authorization: Bearer abc123.def-', 'Authorization: Bearer ***'],
    ['Authorization: Basic dTpwYXNzMQ==', 'Authorization: Basic ***'],
    ['got eyJhbGciOiJIUzI1.eyJzdWIiOiIx.c2ln', 'got ***'],
    ['-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----\nx', '-----***-----\nx'],
    ['-----BEGIN RSA PRIVATE KEY-----\nMII', '-----***-----'],
  ])('hides what has the name or the form of a secret: %s', (text, shown) => {
    expect(withoutSecrets(text)).toBe(shown);
  });

  it.each([
    'passphrase: it does not open the key',
    'processing_core.msg_broker.password: Given was 3.',
    'at run (file:///srv/app/modules/geo.ts:1:2)',
    'key=ip:192.0.2.1 keys:3',
    'mail to a@b.c',
    'basic authentication failed',
  ])('leaves alone: %s', (text) => {
    expect(withoutSecrets(text)).toBe(text);
  });
});
