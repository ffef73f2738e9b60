// Package repodata holds the index documents of a conda channel: it encodes
// and decodes records, pieces of repodata.json, shards and the shard index
// (CEP 16), run_exports.json (CEP 12), channeldata.json (CEP 38),
// notices.json (CEP 6), current_repodata.json and patch instructions.
//
// Everything here is a pure function from values to bytes or back: no clock,
// no network, no files. What is encoded is deterministic: equal records give
// equal bytes on every replica, whatever was encoded before, since a shard is
// named by the hash of its bytes and an ETag stands for bytes that nobody
// hashes. A change that alters bytes for equal records must raise Revision.
//
// Which records a document holds, for whom, and when it is made is left to
// package index; what a record means is left to package conda.
package repodata

// Revision is the number of the byte forms that this package writes. It goes
// into ETags, so that two releases which write different bytes for the same
// records never share one. Raise it with every change of an encoder, of the
// compressor's version or of the boundaries that Chunk draws.
const Revision = 3
