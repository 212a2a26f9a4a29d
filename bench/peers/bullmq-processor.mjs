// A job of BullMQ in a process of its own: it does nothing, and tells when its first line ran.
export default async () => Number(process.hrtime.bigint()) / 1e6;
