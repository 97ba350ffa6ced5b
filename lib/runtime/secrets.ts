/**
 * Secrets: which names are those of secrets, and what of a text may be shown. One list for the configuration that `check` prints and for
 * the log; modules have settings and errors of their own, so a secret may stand anywhere.
 *
 * When in doubt something is hidden: of a URL only its host, port and the first part of its path (a database) are shown.
 */

export const HIDDEN = '***';

/** Secrets wherever they stand in a name: `dbPassword`, `client_secret`. */
const IN_NAMES =
  /passw(?:or)?d|passphrase|secret|credential|bearer|authori[sz]ation|cookie|apikey|(?:private|access|signing|session)key/;
/** Secrets where they are a word of a name: `pwd`, `smtp_pass`, but not `passed`. */
const WORDS: ReadonlySet<string> = new Set(['pass', 'pwd', 'pw', 'dsn', 'jwt', 'otp', 'pin', 'pem']);
/** Secrets where they end a name: `private-key`, `tokens`, but not `key_column`. */
const LAST_WORDS: ReadonlySet<string> = new Set(['key', 'keys', 'token', 'tokens']);
/** What makes a key or token harmless: `routing_key`, `max_tokens`. */
const HARMLESS_BEFORE = 'public primary foreign routing partition sort group cache entity object ttl max min num';
const HARMLESS: ReadonlySet<string> = new Set(HARMLESS_BEFORE.split(' '));
/** Words of this program for what is no secret. */
const OWN_NAMES: ReadonlySet<string> = new Set(['key', 'keys']);

/** A value of whoever wrote it, up to a blank; a URL's password may hold anything else. */
const ANY_URL = /[a-z][a-z0-9+.-]{0,20}:\/\/\S+/gi;
/** `password=x`, `"token": "x"`, `secret:x`; the value in quotes or up to a blank. */
const NAMED =
  /(?<![\w.-])([a-z_][\w.-]{0,200})(\\?["']\s{0,4}:\s{0,4}|\s?=\s?|:)(\\?"[^"]*"?|\\?'[^']*'?|[^\s"',;&)\]}]+)/gi;
const PEM = /-----BEGIN [A-Z0-9 ]{1,40}-----[\s\S]*?(?:-----END [A-Z0-9 ]{1,40}-----|$)/g;
const SCHEME_AND_TOKEN = /\b(bearer|basic)\s{1,4}(?=[\w.~+/=-]{0,200}[\d=])[\w.~+/=-]{8,}/gi;
const JWT = /(?<![\w-])eyJ[\w-]{10,}(?:\.[\w-]*){1,4}/g;
const WEB = /^(?:http|ws)s?:/i;
const HOSTS = /^(?:\[[0-9a-f:.]{2,45}\]|[\w.-]{1,255})(?::\d{1,5})?(?:,[\w.:-]{1,255})?$/i;

/** Whether the last part of a dotted name is that of a secret. */
export function isSecretName(name: string): boolean {
  const [last = ''] = name.slice(name.lastIndexOf('.') + 1).split('[', 1);
  const words = last
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '');
  if (IN_NAMES.test(words.join('')) || words.some((word) => WORDS.has(word))) return true;
  return LAST_WORDS.has(words.at(-1) ?? '') && !HARMLESS.has(words.at(-2) ?? '');
}

/** The same where the names of this program stand, too: the log calls what tells an entity its `key`. */
export function isSecretField(name: string): boolean {
  return !OWN_NAMES.has(name) && isSecretName(name);
}

/** A text without the secrets that can be told from it: of URLs, of what has the name of a secret, of keys in PEM form. */
export function withoutSecrets(text: string): string {
  return text
    .replace(PEM, `-----${HIDDEN}-----`)
    .replace(ANY_URL, shownUrl)
    .replace(NAMED, (all, name: string, sign: string) => (isSecretField(name) ? `${name}${sign}${HIDDEN}` : all))
    .replace(SCHEME_AND_TOKEN, `$1 ${HIDDEN}`)
    .replace(JWT, HIDDEN);
}

/** `postgres://me:x@db:5432/dp3?password=x` -> `postgres://***@db:5432/dp3?***` */
function shownUrl(url: string): string {
  const start = url.indexOf('://') + 3;
  const scheme = url.slice(0, start);
  const at = url.lastIndexOf('@');
  const login = at < start ? '' : `${HIDDEN}@`;
  const rest = url.slice(at < start ? start : at + 1);
  // Files of this program, in stacks.
  if (scheme === 'file://' && at < start) return url;
  const end = rest.search(/["'`<>()]/);
  const place = end < 0 ? rest : rest.slice(0, end);
  const behind = rest.slice(place.length);
  const [, host = HIDDEN, stop = '', path = '', query = ''] =
    /^([^/?#]{0,300}?)([.,:;!]{0,3})(\/[^?#]*)?([?#][\s\S]*)?$/.exec(place) ?? [];
  if (host !== '' && !HOSTS.test(host)) return `${scheme}${login}${HIDDEN}${behind}`;
  return `${scheme}${login}${host}${stop}${shownPath(scheme, path)}${query === '' ? '' : `?${HIDDEN}`}${behind}`;
}

/** The path of a web page may be a secret from its first part on. */
function shownPath(scheme: string, path: string): string {
  const [first = '', ...deeper] = path.split('/').slice(1);
  if (path.length < 2) return path;
  if (WEB.test(scheme)) return `/${HIDDEN}`;
  return `/${first}${deeper.some((part) => part !== '') ? `/${HIDDEN}` : ''}`;
}
