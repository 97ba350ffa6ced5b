/**
 * Registration: reads the definitions of modules and checks all of them against the model, so that one run reports every
 * mistake, each with module, hook and the nearest known name. A definition is whatever a module handed in: nothing about it is
 * believed before it is checked.
 */
import { type Problem, type ProblemList, problemsOf } from '../model/problem.js';
import { parseSchedule } from '../model/schedule.js';
import type { ModelSpec } from '../model/spec.js';
import { describe, ValueError } from '../model/value-error.js';
import type { Logger } from '../observability/logger.js';
import { messageOf } from '../runtime/errors.js';
import { suggestion } from '../runtime/nearest.js';
import type { Hook, RunningModule } from './hook.js';
import { HOOK_KINDS, type HookKind, valueHookOf } from './kinds.js';
import type { LoadedModule } from './loader.js';
import { type Place, type Registry, RegistryBuilder } from './registry.js';
import { isPromise } from './run.js';
import type { ModuleDefinition, Platform } from './types.js';

/** Every key a module may have; those of hooks with their kind. */
const KEYS: Readonly<Record<keyof ModuleDefinition, HookKind | null>> = {
  ...HOOK_KINDS,
  configure: null,
  keepLastArrived: null,
  scheduled: null,
  start: null,
  stop: null,
};
const JOB_KEYS: readonly string[] = ['cron', 'zone', 'on', 'run'];

type AnyFunction = (...parameters: unknown[]) => unknown;

export interface RegistrationOptions {
  readonly spec: ModelSpec;
  readonly platform: Platform;
  readonly log: Logger;
  /** Milliseconds since 1970: jobs that will never be due after it get a warning. */
  readonly nowMs: number;
}

/** Registers the hooks of all modules; `registry` is null when any of the problems is an error. */
export function register(
  modules: readonly LoadedModule[],
  options: RegistrationOptions,
): { registry: Registry | null; problems: Problem[] } {
  const problems: Problem[] = [];
  const builder = new RegistryBuilder(options.spec);
  const taken = new Map<string, Map<AnyFunction, string>>();
  for (const module of modules) {
    new Registration(module, options, builder, problemsOf(module.file, problems), taken).read();
  }
  const hasErrors = problems.some((problem) => problem.severity === 'error');
  return { registry: hasErrors ? null : builder.build(), problems };
}

/** The reading of one module. */
class Registration {
  private readonly definition: Readonly<Record<string, unknown>>;
  private readonly module: RunningModule;

  constructor(
    private readonly loaded: LoadedModule,
    private readonly options: RegistrationOptions,
    private readonly builder: RegistryBuilder,
    private readonly problems: ProblemList,
    /** By place: who registered which function there. */
    private readonly taken: Map<string, Map<AnyFunction, string>>,
  ) {
    this.definition = { ...loaded.module.definition };
    this.module = {
      name: loaded.name,
      file: loaded.file,
      config: this.configure(),
      platform: options.platform,
      log: options.log.child({ module: loaded.name }),
      start: this.single('start') as RunningModule['start'],
      stop: this.single('stop') as RunningModule['stop'],
    };
  }

  read(): void {
    this.builder.addModule(this.module);
    for (const [key, value] of Object.entries(this.definition)) {
      if (!Object.hasOwn(KEYS, key)) {
        this.error(key, `There is no hook ${describe(key)}.${suggestion(key, Object.keys(KEYS))}`);
        continue;
      }
      if (value === undefined) continue;
      this.readKey(key as keyof typeof KEYS, value);
    }
  }

  private readKey(key: keyof typeof KEYS, value: unknown): void {
    const kind = KEYS[key];
    if (kind !== null) this.hooks(key, kind, value);
    else if (key === 'keepLastArrived') this.byEntity(key, value, this.keepLastArrived);
    else if (key === 'scheduled') for (const [at, job] of listOf(value).entries()) this.job(`scheduled[${at}]`, job);
    // configure, start and stop were read first.
  }

  private hooks(key: string, kind: HookKind, value: unknown): void {
    if (kind.by === 'task') {
      this.functions(key, value, { kind });
      return;
    }
    this.byEntity(key, value, (etype, path, given) => {
      if (kind.by === 'entity') this.functions(path, given, { kind, etype });
      else this.byAttribute(kind, etype, path, given);
    });
  }

  /** The module's configuration as its `configure` reads it. */
  private configure(): unknown {
    const configure = this.single('configure');
    if (configure === undefined) return this.loaded.config;
    try {
      const config = configure(this.loaded.config, this.options.platform);
      if (!isPromise(config)) return config;
      Promise.resolve(config).catch(() => {});
      this.error('configure', 'It must return at once, not a promise; what waits belongs into start.');
    } catch (error) {
      this.error(
        'configure',
        `The configuration of the module (modules/${this.loaded.name}.yml) is refused: ${messageOf(error)}`,
      );
    }
    return undefined;
  }

  private single(key: 'configure' | 'start' | 'stop'): AnyFunction | undefined {
    const value = this.definition[key];
    if (value === undefined || typeof value === 'function') return value as AnyFunction | undefined;
    this.error(key, `A function is needed here, given was ${describe(value)}.`);
    return undefined;
  }

  private byEntity(key: string, value: unknown, read: (etype: string, path: string, given: unknown) => void): void {
    const { entities } = this.options.spec;
    for (const [etype, given] of this.entries(key, value, 'an entity type')) {
      const path = `${key}.${etype}`;
      if (entities.has(etype)) read(etype, path, given);
      else this.error(path, `There is no entity type ${describe(etype)}.${suggestion(etype, entities.keys())}`);
    }
  }

  private byAttribute(kind: HookKind, etype: string, path: string, value: unknown): void {
    const attributes = this.options.spec.entity(etype)?.attributes ?? new Map();
    for (const [attr, given] of this.entries(path, value, `an attribute of ${etype}`)) {
      const place = `${path}.${attr}`;
      const attribute = this.options.spec.attribute(etype, attr);
      if (attribute === undefined) {
        this.error(place, `There is no attribute ${describe(attr)} of ${etype}.${suggestion(attr, attributes.keys())}`);
      } else if (attribute.type !== kind.attributeType) {
        this.error(
          place,
          `The attribute ${etype}.${attr} is of type ${attribute.type}: its hook is ${valueHookOf(attribute.type)}.`,
        );
      } else if (attribute.type === 'plain' && attribute.mirrorOf !== null) {
        const { mirrorOf } = attribute;
        this.error(
          place,
          `The attribute ${etype}.${attr} mirrors ${mirrorOf.etype}.${mirrorOf.attr} and gets no data-points of its own.`,
        );
      } else {
        this.functions(place, given, { kind, etype, attr });
      }
    }
  }

  private readonly keepLastArrived = (etype: string, path: string, value: unknown): void => {
    const attributes = this.options.spec.entity(etype)?.attributes ?? new Map();
    if (!Array.isArray(value)) {
      this.error(path, `A list of attributes of ${etype} is needed here, given was ${describe(value)}.`);
      return;
    }
    for (const attr of value as readonly unknown[]) {
      const attribute = typeof attr === 'string' ? attributes.get(attr) : undefined;
      if (typeof attr !== 'string' || attribute === undefined) {
        const hint = suggestion(String(attr), attributes.keys());
        this.error(path, `There is no attribute ${describe(attr)} of ${etype}.${hint}`);
      } else if (attribute.type === 'plain') {
        this.error(path, `The attribute ${etype}.${attr} is plain: \`previous\` is the value that arrived last.`);
      } else this.builder.keepLastArrived(etype, attr);
    }
  };

  private entries(path: string, value: unknown, of: string): [string, unknown][] {
    if (isDictionary(value)) return Object.entries(value).filter(([, given]) => given !== undefined);
    this.error(path, `An object with the name of ${of} as its key is needed here, given was ${describe(value)}.`);
    return [];
  }

  private functions(path: string, value: unknown, place: Place): void {
    const { by, returns } = place.kind;
    for (const [at, given] of listOf(value).entries()) {
      const name = at === 0 ? path : `${path}#${at + 1}`;
      if (typeof given !== 'function') {
        this.error(name, `A function or a list of functions is needed here, given was ${describe(given)}.`);
        continue;
      }
      const run = given as AnyFunction;
      if (!this.isFirst(path, run)) continue;
      const invoke: Hook['invoke'] =
        by === 'task'
          ? (context, _eid, subject) => run(subject, context)
          : (context, eid, subject) => run(eid, subject, context);
      this.builder.add(place, { module: this.module, name, returns, invoke });
    }
  }

  private isFirst(path: string, run: AnyFunction): boolean {
    let here = this.taken.get(path);
    if (here === undefined) {
      here = new Map();
      this.taken.set(path, here);
    }
    const by = here.get(run);
    here.set(run, this.module.name);
    if (by === undefined) return true;
    const where = by === this.module.name ? '' : `, first by the module ${by}`;
    this.error(path, `The same function${run.name === '' ? '' : ` (${run.name})`} is registered twice here${where}.`);
    return false;
  }

  private job(path: string, value: unknown): void {
    if (!isDictionary(value)) {
      this.error(path, `An object with ${JOB_KEYS.join(', ')} is needed here, given was ${describe(value)}.`);
      return;
    }
    for (const key of Object.keys(value)) {
      if (!JOB_KEYS.includes(key))
        this.error(`${path}.${key}`, `A job has no ${describe(key)}.${suggestion(key, JOB_KEYS)}`);
    }
    const { cron, zone, on, run } = value;
    if (on !== 'index-0' && on !== 'all') {
      this.error(
        `${path}.on`,
        `Given was ${describe(on)}, allowed is "index-0" (in one process) or "all" (in every process).`,
      );
    }
    if (typeof run !== 'function') this.error(`${path}.run`, `A function is needed here, given was ${describe(run)}.`);
    try {
      const schedule = parseSchedule(cron, zone);
      if (schedule.next(this.options.nowMs) === null) {
        this.problems.warning(`${path}.cron`, `Module ${this.module.name}: ${schedule.text} will never be due.`);
      }
      if (typeof run !== 'function' || (on !== 'index-0' && on !== 'all')) return;
      const invoke: Hook['invoke'] = (context) => run(context);
      this.builder.addScheduled({ module: this.module, name: path, returns: 'tasks', invoke, schedule, on });
    } catch (error) {
      if (!(error instanceof ValueError)) throw error;
      const at = error.path === '' ? '' : `${error.path}: `;
      this.error(`${path}.cron`, `${at}given was ${error.given}, allowed is ${error.allowed}.`);
    }
  }

  private error(key: string, sentence: string): void {
    this.problems.error(key, `Module ${this.loaded.name}: ${sentence}`);
  }
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value];
}

function isDictionary(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
