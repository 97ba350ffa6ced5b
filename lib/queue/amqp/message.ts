/**
 * What the properties of a message say about its identity. Our own messages are marked, so that their ids are taken as they are;
 * any other id is trusted only in the form of a uuid4, as DP3 draws them, or else says something together with the body alone
 * (wire.md, Properties).
 */
import type { ConsumeMessage } from 'amqplib';
import { deliveryIdOf } from '../../model/task-id.js';
import { floorOf } from './floors.js';

/** The property `appId` of every message this program sends. */
export const OWN_APP_ID = 'dp3-cluster';

/** `delivery-mode` of a message that outlives a restart of the broker (AMQP 0-9-1). */
const PERSISTENT = 2;

/** Under which id a message is known, the same at every delivery; one that lacks an id is known by its body alone. */
export interface Identity {
  readonly id: string;
  readonly lacksId: boolean;
  /** Sent by a program of ours. */
  readonly own: boolean;
  /** Of the stream of its sender; null where it says nothing of it. */
  readonly floor: number | null;
}

export function identityOf({ properties, content }: ConsumeMessage): Identity {
  const own = properties.appId === OWN_APP_ID;
  const messageId: unknown = properties.messageId;
  if (typeof messageId !== 'string' || messageId === '')
    return { id: deliveryIdOf(undefined, content), lacksId: true, own, floor: null };
  const floor = own ? floorOf(properties.correlationId) : null;
  return { id: own ? messageId : deliveryIdOf(messageId, content), lacksId: false, own, floor };
}

/** True where a restart of the broker loses the message from a classic queue; DP3 sends such messages. */
export function isTransient({ properties }: ConsumeMessage): boolean {
  return properties.deliveryMode !== PERSISTENT;
}
