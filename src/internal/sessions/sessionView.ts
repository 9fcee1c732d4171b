/** A borrower's handle to a session, valid for one lease. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { CloseInfo } from "../../WebTransportConstructor.js"
import { WebTransportError } from "../../WebTransportError.js"
import type { ByteStream } from "../transport/byteStream.js"
import { SessionHandle } from "../transport/session.js"
import type { SessionCore } from "../transport/sessionCore.js"

const ownedByPool = (what: string) =>
  Effect.fail(
    new WebTransportError({
      reason: "Unsupported",
      detail: `a borrowed session cannot ${what}: its pool handles incoming streams and datagrams`,
      advice: "use the option onIncoming or onDatagram of SessionPool"
    })
  )

/** Streams that were opened through a view end with the view. */
export class SessionView extends SessionHandle {
  override readonly streams = new Set<ByteStream>()
  private isGivenBack = false

  constructor(core: SessionCore) {
    super(core)
    core.views++
  }

  override get refusal(): WebTransportError | undefined {
    return this.isGivenBack
      ? new WebTransportError({
        reason: "SessionClosed",
        detail: "this session was returned to its pool",
        advice: "use it within the effect or scope that borrowed it"
      })
      : this.core.gone
  }

  override get acceptBidirectionalStream(): Effect.Effect<ByteStream, WebTransportError, Scope.Scope> {
    return ownedByPool("accept streams")
  }

  override get acceptUnidirectionalStream(): Effect.Effect<ByteStream, WebTransportError, Scope.Scope> {
    return ownedByPool("accept streams")
  }

  override get incomingBidirectionalStreams(): Stream.Stream<ByteStream, WebTransportError, Scope.Scope> {
    return Stream.fromEffect(this.acceptBidirectionalStream)
  }

  override get incomingUnidirectionalStreams(): Stream.Stream<ByteStream, WebTransportError, Scope.Scope> {
    return Stream.fromEffect(this.acceptUnidirectionalStream)
  }

  override get receiveDatagram(): Effect.Effect<Uint8Array, WebTransportError> {
    return ownedByPool("receive datagrams")
  }

  override close(info?: Partial<CloseInfo>): Effect.Effect<void> {
    return Effect.suspend(() => this.isGivenBack ? Effect.void : super.close(info))
  }

  /** Ends everything that was opened through the view, as a scope would, but synchronously and without waiting. */
  end(success: boolean): void {
    if (this.isGivenBack) return
    this.isGivenBack = true
    this.core.views--
    for (const opening of [...this.core.openings]) {
      if (opening.handle === this) opening.fail(this.refusal!)
    }
    for (const stream of [...this.streams]) stream.end(success, 0, "the borrower returned its session to the pool")
  }
}
