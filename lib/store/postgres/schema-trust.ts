/**
 * Whose schema it is: whoever owns one, or may make functions in it, can put some there that run with the rights of those who use it, in
 * place of the server's own where their arguments fit better. So a schema that somebody made who is not trusted is not used.
 *
 * Trusted are the role itself, one that it is a member of, the owner of the database, a superuser, and whom the configuration names. A
 * superuser is a member of every role: for it that says nothing.
 */
import { ApplicationError } from '../../runtime/errors.js';

type Ask = (text: string, values: readonly unknown[]) => Promise<readonly (readonly (string | null)[])[]>;

/** Until the schema is known to be trusted, nothing of it is found. */
export const TRUSTED_PATH = 'pg_catalog, pg_temp';

/** No row where there is no such schema. */
const SCHEMA = `select owner.rolname::text, me.rolname::text,
    owner.oid = me.oid or owner.rolsuper or owner.oid = base.datdba or owner.rolname = $2::name
      or (not me.rolsuper and pg_has_role(owner.oid, 'usage'::text)),
    exists (select from aclexplode(schema.nspacl) where grantee = 0::oid and privilege_type = 'CREATE'::text)
  from pg_namespace schema
    join pg_roles owner on owner.oid = schema.nspowner
    join pg_roles me on me.rolname = current_user
    join pg_database base on base.datname = current_database()
  where schema.nspname = $1::name`;

/** To be asked with the path above. @throws ApplicationError STORE_FAILED with what to do */
export async function refuseForeignSchema(ask: Ask, schema: string, trustedOwner: string | null): Promise<void> {
  const [row] = await ask(SCHEMA, [schema, trustedOwner]);
  if (row === undefined) return;
  const [owner, me, isTrusted, isOpen] = row;
  if (isTrusted !== 't') {
    throw new ApplicationError(
      'STORE_FAILED',
      `schema ${schema} belongs to role ${owner}, who could run anything in it as ${me}: drop it, or have an administrator give it to ${me} ` +
        `(alter schema ${schema} owner to ${me}); where ${owner} is trusted, name it in processing_core.store.schema_owner`,
    );
  }
  if (isOpen === 't') {
    throw new ApplicationError(
      'STORE_FAILED',
      `everybody may make functions in schema ${schema}, which would run as ${me}: revoke create on schema ${schema} from public`,
    );
  }
}
