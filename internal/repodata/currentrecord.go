package repodata

import (
	"encoding/json/jsontext"
	"maps"
	"strconv"

	"github.com/tinylib/msgp/msgp"

	"terrarium/internal/conda"
)

// CurrentRecord is a record that current_repodata.json may have. It is gone with the rows
// that it is of.
type CurrentRecord struct {
	row, twin *ShardRow
}

func records(list []*candidate) []CurrentRecord {
	if len(list) == 0 {
		return nil
	}
	out := make([]CurrentRecord, len(list))
	for i, c := range list {
		out[i] = CurrentRecord{c.row, c.twin}
	}
	return out
}

// rowOf makes a row of a record.
func rowOf(f FileRecord) ShardRow {
	return ShardRow{
		FileName: []byte(f.FileName), Version: []byte(f.Record.Version), BuildNumber: f.Record.BuildNumber, Timestamp: f.Record.Timestamp, record: &f.Record,
	}
}

// FileName is that of the record.
func (r CurrentRecord) FileName() []byte { return r.row.FileName }

// Plain reports whether the record is without features.
func (r CurrentRecord) Plain() bool {
	if r.row.msgpack == nil {
		return r.row.record.Features == "" && r.row.record.TrackFeatures == ""
	}
	return len(r.row.text(fieldFeatures)) == 0 && len(r.row.text(fieldTrackFeatures)) == 0
}

// EachDependency calls f for each dependency of the record, with a text that is gone
// with the rows.
func (r CurrentRecord) EachDependency(f func(text []byte)) error {
	if r.row.msgpack == nil {
		for _, text := range r.row.record.Depends {
			f([]byte(text))
		}
		return nil
	}
	list := r.row.value(fieldDepends)
	if list == nil {
		return nil
	}
	n, rest, err := msgp.ReadArrayHeaderBytes(list)
	for ; n > 0 && err == nil; n-- {
		var text []byte
		if text, rest, err = msgp.ReadStringZC(rest); err == nil {
			f(text)
		}
	}
	return err
}

// AppendJSON appends what stands under the file's name in the document: with the hash of
// the twin.
func (r CurrentRecord) AppendJSON(dst []byte) ([]byte, error) {
	if out, ok := r.row.appendUsual(dst, r.twin); ok {
		return out, nil
	}
	rec, err := r.decode()
	if err != nil {
		return dst, err
	}
	enc, err := EncodeRecord(rec)
	return append(dst, enc.JSON...), err
}

// decode gives the whole record with the hash of the twin.
func (r CurrentRecord) decode() (conda.Record, error) {
	rec, err := r.row.decode()
	if err != nil || r.twin == nil {
		return rec, err
	}
	old, err := r.twin.decode()
	return withTwin(rec, old), err
}

func withTwin(r, twin conda.Record) conda.Record {
	extra := maps.Clone(r.Extra)
	if extra == nil {
		extra = map[string]jsontext.Value{}
	}
	if twin.MD5 != "" {
		extra["legacy_bz2_md5"] = appendJSONString(nil, twin.MD5)
	}
	if twin.Size > 0 {
		extra["legacy_bz2_size"] = strconv.AppendInt(nil, twin.Size, 10)
	}
	r.Extra = extra
	return r
}
