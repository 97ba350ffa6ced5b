import { describe, expect, it } from 'vitest';
import { isSecretName, redacted, redactUrls } from '../../lib/config/redact.js';

describe('redaction', () => {
  it.each([
    'password',
    'db.password',
    'dbPassword',
    'API_KEY',
    'apikey',
    'client_secret',
    'auth_token',
    'privateKey',
    'credentials',
    'a.passwd',
    'passwords[0]',
  ])('takes %s for a secret', (name) => {
    expect(isSecretName(name)).toBe(true);
  });

  it.each(['worker_threads', 'ttl_tokens', 'keys', 'compass', 'host', 'username'])('takes %s for none', (name) => {
    expect(isSecretName(name)).toBe(false);
  });

  it('hides the password of a URL, whatever stands in it', () => {
    expect(redactUrls('postgres://u:p@h/d')).toBe('postgres://u:***@h/d');
    expect(redactUrls('amqps://u:p:q/@r@h:5671/v')).toBe('amqps://u:***@h:5671/v');
    expect(redactUrls('redis://:p@h')).toBe('redis://:***@h');
    expect(redactUrls('http://h:80/a and nothing@else')).toBe('http://h:80/a and nothing@else');
  });

  it('goes through lists and dictionaries, and keeps names that are properties elsewhere', () => {
    const given = new Map<string, unknown>([
      ['__proto__', new Map([['token', 'x']])],
      ['list', [{ secret: ['a', 'b'] }, 'http://u:p@h']],
      ['n', 1n],
    ]);
    const shown = redacted(given) as Record<string, unknown>;
    expect(Object.getPrototypeOf(shown)).toBeNull();
    expect(Object.keys(shown)).toEqual(['__proto__', 'list', 'n']);
    expect(Object.entries(shown)[0]?.[1]).toEqual(Object.assign(Object.create(null), { token: '***' }));
    expect(JSON.stringify(shown['list'])).toBe('[{"secret":"***"},"http://u:***@h"]');
    expect(shown['n']).toBe(1n);
  });
});
