/** Names of queues and exchanges at a broker: DP3's, so that programs of both kinds can work side by side on one broker. */

export interface PairNames {
  readonly normal: string;
  readonly priority: string;
}

/** The two exchanges of an application. */
export function exchangeNames(app: string): PairNames {
  return { normal: `${app}-main-task-exchange`, priority: `${app}-priority-task-exchange` };
}

/** The queue pair of a process index; the routing key of both is the index in decimal. */
export function queueNames(app: string, index: number): PairNames {
  return { normal: `${app}-worker-${index}`, priority: `${app}-worker-${index}-pri` };
}
