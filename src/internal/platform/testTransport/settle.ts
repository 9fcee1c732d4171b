/** Helpers of both ends of the link in memory. */

export const ignore = () => {}

export interface Settle<A> {
  readonly resolve: (value: A) => void
  readonly reject: (error: Error) => void
}

export const nativeError = (name: string, message: string) => Object.assign(new Error(message), { name })
