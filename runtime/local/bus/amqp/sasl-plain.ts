/**
 * SASL PLAIN (key name and key) is not offered here. SASL has no words for a refusal, so the mechanism succeeds and the
 * connection is then closed with a reason.
 */
import type { AmqpError, Connection, Container } from "./rhea.ts";

/** What rhea asks of a mechanism. */
class RefusedPlain {
  outcome: boolean | undefined;

  start(): void {
    this.outcome = true;
  }
}

const REFUSAL: AmqpError = {
  condition: "amqp:not-implemented",
  description:
    "SASL PLAIN is not supported by the local Service Bus: use ANONYMOUS or MSSBCBS and put a token to $cbs.",
};

export function refusePlain(container: Container): void {
  container.sasl_server_mechanisms.PLAIN = () => new RefusedPlain();
  container.on("connection_open", ({ connection }) => {
    if (usesPlain(connection)) connection.close(REFUSAL);
  });
}

const usesPlain = ({ sasl_transport: sasl }: Connection): boolean => sasl?.selected?.mechanism instanceof RefusedPlain;
