package repodata_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/tinylib/msgp/msgp"

	"terrarium/internal/errs"
	"terrarium/internal/repodata"
)

func shardFiles(t testing.TB, n int) []repodata.ShardFile {
	t.Helper()
	var files []repodata.ShardFile
	for i := range n {
		fn, r := benchRecord(i)
		if i%3 == 0 {
			fn = strings.TrimSuffix(fn, ".conda") + ".tar.bz2"
		}
		e, err := repodata.EncodeRecord(r)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, repodata.ShardFile{FileName: fn, Msgpack: e.Msgpack})
	}
	slices.SortFunc(files, func(a, b repodata.ShardFile) int { return strings.Compare(a.FileName, b.FileName) })
	return files
}

func TestShard(t *testing.T) {
	files := shardFiles(t, 40)
	data, sum := repodata.EncodeShard(files, []string{"z-1-0.conda", "a-1-0.conda"})
	if sum != sha256.Sum256(data) {
		t.Error("the hash is not that of the bytes served")
	}
	got, err := repodata.DecodeShard(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(repodata.Shard{Files: files, Removed: []string{"a-1-0.conda", "z-1-0.conda"}}, got); diff != "" {
		t.Error(diff)
	}
	shuffled := slices.Clone(files)
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	again, _ := repodata.EncodeShard(shuffled, []string{"a-1-0.conda", "z-1-0.conda", "a-1-0.conda"})
	if !bytes.Equal(data, again) {
		t.Error("the order of files changes the bytes")
	}

	raw, err := decodeFrames(t, data)
	if err != nil {
		t.Fatal(err)
	}
	if keys := msgpackKeys(t, raw); !slices.Equal(keys, []string{"packages", "packages.conda", "removed"}) {
		t.Errorf("keys %v", keys)
	}
	empty, _ := repodata.EncodeShard(nil, nil)
	if raw, err = decodeFrames(t, empty); err != nil {
		t.Fatal(err)
	}
	if keys := msgpackKeys(t, raw); !slices.Equal(keys, []string{"packages", "packages.conda"}) {
		t.Errorf("keys of an empty shard %v: both groups must be there", keys)
	}
}

// pack compresses msgpack as a foreign server might.
func pack(t testing.TB, raw []byte) []byte {
	t.Helper()
	return encodeWith(t, zstd.SpeedDefault, true, true, raw)
}

func TestDecodeShardRefuses(t *testing.T) {
	str, amap := msgp.AppendString, msgp.AppendMapHeader
	rec := amap(nil, 0)
	group := func(key, file string, record []byte) []byte {
		return append(str(amap(str(amap(nil, 1), key), 1), file), record...)
	}
	good := pack(t, group("packages", "a-1-0.tar.bz2", rec))
	if _, err := repodata.DecodeShard(good); err != nil {
		t.Fatal(err)
	}
	withV3 := str(amap(str(amap(str(amap(nil, 2), "v3"), 1), "conda"), 0), "x") // v3 and an unknown key are passed over
	if s, err := repodata.DecodeShard(pack(t, msgp.AppendNil(withV3))); err != nil || len(s.Files) != 0 {
		t.Fatalf("v3: %v, %v", s, err)
	}
	twice := append(str(append(str(amap(str(amap(nil, 1), "packages"), 2), "a-1-0.tar.bz2"), rec...), "a-1-0.tar.bz2"), rec...)
	large, _ := repodata.EncodeShard(shardFiles(t, 100), nil)
	tests := []struct {
		name string
		data []byte
		kind errs.Kind
	}{
		{"empty", nil, errs.Invalid},
		{"not zstd", []byte("hello hello hello"), errs.Invalid},
		{"two frames", append(slices.Clone(good), good...), errs.Invalid},
		{"skippable frame first", append([]byte("\x50\x2a\x4d\x18\x01\x00\x00\x00x"), good...), errs.Invalid},
		{"cut off", good[:len(good)-5], errs.Invalid},
		{"a list", pack(t, msgp.AppendArrayHeader(nil, 0)), errs.Invalid},
		{"wrong group", pack(t, group("packages", "a-1-0.conda", rec)), errs.Invalid},
		{"record not a map", pack(t, group("packages", "a-1-0.tar.bz2", msgp.AppendInt(nil, 1))), errs.Invalid},
		{"twice", pack(t, twice), errs.Invalid},
		{"more", pack(t, append(amap(nil, 0), 1)), errs.Invalid},
		{"claims more than there is", pack(t, str(amap(nil, 1<<30), "packages")), errs.Invalid},
		{"key not text", pack(t, msgp.AppendInt(amap(nil, 1), 1)), errs.Invalid},
		{"too large", large, errs.TooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := repodata.DecodeShardLimit(tt.data, 20_000); !errs.Is(err, tt.kind) {
				t.Fatalf("error %v, want kind %v", err, tt.kind)
			}
		})
	}
}

func TestShardIndex(t *testing.T) {
	names := []string{"b", "a", "c"}
	hashes := [][32]byte{{1}, {2}, {3}}
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.FixedZone("CET", 3600))
	data := repodata.EncodeShardIndex(repodata.ShardIndexInfo{Subdir: "linux-64", CreatedAt: at}, names, hashes)
	got, err := repodata.DecodeShardIndex(data)
	if err != nil {
		t.Fatal(err)
	}
	want := repodata.ShardIndex{
		Info:  repodata.ShardIndexInfo{Subdir: "linux-64", ShardsBaseURL: "./shards/", CreatedAt: at.UTC()},
		Names: []string{"a", "b", "c"}, Hashes: [][32]byte{{2}, {1}, {3}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if names[0] != "b" || hashes[0] != [32]byte{1} {
		t.Error("the caller's slices were sorted")
	}
	raw, err := decodeFrames(t, data)
	if err != nil {
		t.Fatal(err)
	}
	m, _, err := msgp.ReadMapStrIntfBytes(raw, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantInfo := map[string]any{"base_url": "", "created_at": "2026-11-21T11:00:00Z", "shards_base_url": "./shards/", "subdir": "linux-64"}
	if diff := cmp.Diff(any(wantInfo), m["info"]); diff != "" {
		t.Error(diff)
	}
	if hash, ok := m["shards"].(map[string]any)["a"].([]byte); !ok || len(hash) != 32 {
		t.Errorf("a hash is %v, want 32 bytes of bin", m["shards"])
	}

	empty, err := repodata.DecodeShardIndex(repodata.EncodeShardIndex(repodata.ShardIndexInfo{Subdir: "noarch"}, nil, nil))
	if err != nil || empty.Info.Subdir != "noarch" || len(empty.Names) != 0 || !empty.Info.CreatedAt.IsZero() {
		t.Errorf("empty index: %+v, %v", empty, err)
	}
	if got, want := repodata.ShardFileName([32]byte{0xab}), "ab"+strings.Repeat("00", 31)+".msgpack.zst"; got != want {
		t.Errorf("file name %s, want %s", got, want)
	}
}

func TestDecodeShardIndexForeign(t *testing.T) {
	str, amap := msgp.AppendString, msgp.AppendMapHeader
	index := func(version int, name string, hash []byte) []byte {
		b := str(amap(nil, 3), "version")
		b = msgp.AppendInt(b, version)
		b = str(amap(str(b, "info"), 2), "subdir")
		b = str(str(b, "noarch"), "base_url")
		b = msgp.AppendNil(b)
		b = str(amap(str(b, "shards"), 1), name)
		return pack(t, append(b, hash...))
	}
	sum := sha256.Sum256(nil)
	got, err := repodata.DecodeShardIndex(index(1, "a", str(nil, hex.EncodeToString(sum[:])))) // hex, as conda's test data has it
	if err != nil || len(got.Hashes) != 1 || got.Hashes[0] != sum {
		t.Fatalf("hex hash: %+v, %v", got, err)
	}
	tests := map[string][]byte{
		"version 2":  index(2, "a", msgp.AppendBytes(nil, sum[:])),
		"short bin":  index(1, "a", msgp.AppendBytes(nil, sum[:31])),
		"short hex":  index(1, "a", str(nil, "abcd")),
		"long hex":   index(1, "a", str(nil, hex.EncodeToString(sum[:])+"00")),
		"number":     index(1, "a", msgp.AppendInt(nil, 5)),
		"empty name": index(1, "", msgp.AppendBytes(nil, sum[:])),
		"slash":      index(1, "../a", msgp.AppendBytes(nil, sum[:])),
		"no info":    pack(t, amap(nil, 0)),
		"nothing":    nil,
	}
	for name, data := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := repodata.DecodeShardIndex(data); !errs.Is(err, errs.Invalid) {
				t.Fatalf("error %v, want errs.Invalid", err)
			}
		})
	}
}

// TestGolden holds the exact bytes: a shard is named by them and an ETag stands
// for them. Where it fails on purpose, raise Revision and run with -update.
func TestGolden(t *testing.T) {
	full, err := repodata.EncodeRecord(fullRecord())
	if err != nil {
		t.Fatal(err)
	}
	files := shardFiles(t, 300)
	shard, _ := repodata.EncodeShard(files, []string{"gone-1-0.conda"})
	names, hashes := benchIndex()
	index := repodata.EncodeShardIndex(repodata.ShardIndexInfo{Subdir: "linux-64"}, names[:500], hashes[:500])
	var entries []repodata.Entry
	for i := range 400 {
		fn, r := benchRecord(i)
		e, err := repodata.EncodeRecord(r)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, repodata.Entry{FileName: fn, JSON: e.JSON})
	}
	l, err := repodata.NewDocument("linux-64", entries, nil)
	if err != nil {
		t.Fatal(err)
	}
	var doc bytes.Buffer
	if err := l.WriteZstd(&doc); err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, form := range []struct {
		name string
		data []byte
	}{
		{"record.json", full.JSON},
		{"record.msgpack", full.Msgpack},
		{"run_exports", full.RunExports},
		{"shard", shard},
		{"index", index},
		{"repodata.json.zst", doc.Bytes()},
	} {
		sum := sha256.Sum256(form.data)
		got.WriteString(form.name + " " + hex.EncodeToString(sum[:]) + "\n")
	}
	file := filepath.Join("testdata", "golden.txt")
	if *update {
		if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("the bytes of revision %d changed:\n%s", repodata.Revision, diff)
	}
}
