/** Used by several modules. A file that enabled_modules does not list is no module, and may be imported by its real name. */

/** `192.0.2.7` is in `192.0.2.0/24`. */
export function networkOf(ip: string): string {
  return `${ip.split('.').slice(0, 3).join('.')}.0/24`;
}
