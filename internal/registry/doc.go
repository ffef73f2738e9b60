// Package registry holds what Terrarium publishes: channels and their labels,
// packages, releases and files, and the records that make up the index. It
// decides who may see or change them (through package access), keeps bytes and
// rows in step, and writes down every change.
//
// Rows are the truth. Every change of what a channel lists goes one road, the
// change of change.go: one transaction checks, writes, logs for audit and
// begins a new generation of the channel; then the [Publisher] makes the index
// of it, and only then does the caller get an answer. A change never overwrites
// a record: it ends one stretch of generations and begins another.
//
// Bytes come before rows: an archive is hashed and read while it is still a
// temporary file, kept in the blob store, and only then named by a row. A crash
// leaves bytes that nothing names, which [Registry.GC] sweeps, never a row
// without bytes.
//
// It leaves documents (repodata, shards) to package index, statuses and bodies
// to the faces, people and tokens to package account.
package registry
