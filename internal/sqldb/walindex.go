package sqldb

import (
	"context"
	"database/sql"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// DataVersion gives a number that differs from the one before if the database
// has been committed to in between, by this process or another, for SQLite only;
// on PostgreSQL it is always 0. It asks no connection and costs nanoseconds where
// the system lets the index of the log be looked at, else microseconds.
func (db *DB) DataVersion(ctx context.Context) (int64, error) {
	if db.postgres {
		return 0, nil
	}
	v := &db.version
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.index != nil {
		if now := v.index.read(); now != v.seen {
			v.seen, v.number = now, v.number+1
		}
		return v.number, nil
	}
	if v.conn == nil {
		// It stays open: SQLite takes the file of the index away with the last
		// connection, and its own number means something only on one and the same.
		conn, err := db.reader.Conn(ctx)
		if err != nil {
			return 0, classify(err)
		}
		v.conn = conn
	}
	var n int64
	if err := v.conn.QueryRowContext(ctx, "PRAGMA data_version").Scan(&n); err != nil {
		return 0, classify(err)
	}
	if !v.tried { // now the file is there
		v.tried = true
		if index, err := openWALIndex(db.path); err == nil {
			v.index, v.seen, v.number = index, index.read(), n
		}
	}
	return n, nil
}

// dataVersion is what DataVersion knows.
type dataVersion struct {
	mu     sync.Mutex
	conn   *sql.Conn // pinned
	tried  bool      // whether index could be had was found out
	index  *walIndex // nil: SQLite is asked
	seen   walHeader
	number int64
}

// close lets go of the connection; nothing is asked afterwards.
func (v *dataVersion) close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.conn != nil {
		v.conn.Close()
	}
	v.conn, v.index, v.tried = nil, nil, true
}

// walHeaderWords is the length of the header of a WAL index in words. It holds
// a counter of commits, the salts and the running checksum of the log, so every
// commit changes it (https://sqlite.org/walformat.html §2).
const walHeaderWords = 12

type walHeader [walHeaderWords]uint32

// walIndex is the start of a database's file -shm, mapped: what all processes
// that have the database open agree on. Looking at it costs no call of the system.
type walIndex struct {
	words *walHeader
}

// openWALIndex maps the header for reading; the database must be open. The
// mapping and its descriptor stay until the process ends: to close any
// descriptor of the file would take from this process the locks that SQLite
// holds on it, which POSIX ties to the process and the file.
func openWALIndex(path string) (*walIndex, error) {
	fd, err := syscall.Open(path+"-shm", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		return nil, err
	}
	if st.Size < walHeaderWords*4 {
		return nil, syscall.EINVAL // reading beyond the end of the file would end the process
	}
	b, err := syscall.Mmap(fd, 0, walHeaderWords*4, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	return &walIndex{words: (*walHeader)(unsafe.Pointer(unsafe.SliceData(b)))}, nil
}

// read gives the header. Half of one that is just being written differs from
// the one before and from the one after.
func (w *walIndex) read() (h walHeader) {
	for i := range h {
		h[i] = atomic.LoadUint32(&w.words[i])
	}
	return h
}
