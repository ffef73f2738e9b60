package condatest

import (
	"archive/tar"
	"bytes"
	"fmt"
	"slices"
	"strings"

	"terrarium/internal/errs"
)

// HostileCase is an archive that a registry must refuse.
type HostileCase struct {
	Name     string // what is wrong with it
	FileName string
	Bytes    []byte
	Want     errs.Kind // errs.Invalid or errs.TooLarge, under the default limits

	// Late says that the metadata is in order, so that an upload is accepted
	// and only the check of the whole payload refuses it.
	Late bool
}

// The package that the hostile ones pretend to be.
const (
	stem     = "demo-1.0-0"
	condaFN  = stem + ".conda"
	bz2FN    = stem + ".tar.bz2"
	index    = `{"name":"demo","version":"1.0","build":"0","build_number":0,"depends":[],"subdir":"noarch","noarch":"generic"}`
	metadata = `{"conda_pkg_format_version": 2}`
)

// Hostile makes one archive for each way to attack a reader of packages that we
// know of. It takes some tens of milliseconds and a few megabytes.
func Hostile() []HostileCase {
	return slices.Concat(hostileZip(), hostileZstd(), hostileInfo(), hostileIndex(), hostileBz2(), hostilePayload())
}

// honestInfo is the tar of an honest info/.
func honestInfo() []byte { return tarOf(file("info/index.json", index)) }

// honestPkg is the tar of an honest payload.
func honestPkg() []byte { return tarOf(file("share/demo", "hello")) }

// parts are the three members of a .conda.
func parts(info, pkg []byte) []zipPart {
	return []zipPart{
		{name: "metadata.json", data: []byte(metadata)},
		{name: "pkg-" + stem + ".tar.zst", data: pkg},
		{name: "info-" + stem + ".tar.zst", data: info},
	}
}

// honestParts are those of an honest package.
func honestParts() []zipPart { return parts(compress(honestInfo()), compress(honestPkg())) }

// withParts makes a .conda of honest parts after a change to them.
func withParts(change func(p []zipPart) []zipPart) []byte {
	return zipFile("", change(honestParts())...)
}

// withInfo makes a .conda around a tar for info/.
func withInfo(tar []byte) []byte { return zipFile("", parts(compress(tar), compress(honestPkg()))...) }

// withFrame makes a .conda around a zstd frame for info/.
func withFrame(frame []byte) []byte { return zipFile("", parts(frame, compress(honestPkg()))...) }

// withPkg makes a .conda around a tar for the payload.
func withPkg(tar []byte) []byte { return zipFile("", parts(compress(honestInfo()), compress(tar))...) }

// hostileZip are those that attack the reader of the ZIP file.
func hostileZip() []HostileCase {
	honest := withParts(func(p []zipPart) []zipPart { return p })
	change := func(i int, f func(*zipPart)) []byte {
		return withParts(func(p []zipPart) []zipPart { f(&p[i]); return p })
	}
	invalid := func(name string, b []byte) HostileCase {
		return HostileCase{Name: name, FileName: condaFN, Bytes: b, Want: errs.Invalid}
	}
	outside := uint32(1 << 30)
	first := uint32(0)
	long := make([]zipPart, 0, 3)
	for i := range 3 {
		long = append(long, zipPart{name: strings.Repeat("x", 5000) + fmt.Sprint(i)})
	}
	many := bytes.Clone(honest) // claims 65,535 members
	many[len(many)-14], many[len(many)-13], many[len(many)-12], many[len(many)-11] = 0xff, 0xff, 0xff, 0xff
	return []HostileCase{
		invalid("empty file", nil),
		invalid("text for a zip", []byte("<!doctype html><title>404</title>this is not a package")),
		invalid("truncated", honest[:len(honest)*2/3]),
		invalid("truncated by one byte", honest[:len(honest)-1]),
		invalid("bytes behind the archive", append(bytes.Clone(honest), "behind"...)),
		invalid("archive inside an archive's comment", append(append(bytes.Clone(honest[:len(honest)-2]), byte(len(honest)), byte(len(honest)>>8)), honest...)),
		invalid("prefixed", zipFile("#!/bin/sh\nexit\n", honestParts()...)),
		invalid("prefixed without adjusted offsets", append([]byte("#!/bin/sh\n"), honest...)),
		{Name: "renamed", FileName: "demo-1.1-0.conda", Bytes: honest, Want: errs.Invalid},
		{Name: "no package name", FileName: "../demo-1.0-0.conda", Bytes: honest, Want: errs.Invalid},
		{Name: "wrong format", FileName: bz2FN, Bytes: honest, Want: errs.Invalid},
		invalid("deflated", change(2, func(p *zipPart) { p.method = 8 })),
		invalid("encrypted", change(2, func(p *zipPart) { p.flags = 1 })),
		invalid("strange flags", change(2, func(p *zipPart) { p.flags = 1 << 13 })),
		invalid("data descriptor", change(2, func(p *zipPart) { p.descriptor = true })),
		invalid("member in a folder", change(2, func(p *zipPart) { p.name = "x/" + p.name })),
		invalid("traversing member", change(0, func(p *zipPart) { p.name = "../metadata.json" })),
		invalid("member of another package", change(2, func(p *zipPart) { p.name = "info-other-1.0-0.tar.zst" })),
		invalid("local header differs", change(2, func(p *zipPart) { p.localName = "info-evil-1.0-0.tar.zst" })),
		invalid("sizes differ", change(2, func(p *zipPart) { p.plainSize = 7 })),
		invalid("checksum differs", change(2, func(p *zipPart) { p.crc = 1 })),
		invalid("checksum of metadata differs", change(0, func(p *zipPart) { p.crc = 1 })),
		invalid("member outside", change(2, func(p *zipPart) { p.offset = &outside })),
		invalid("members overlap", change(2, func(p *zipPart) { p.offset = &first; p.name = "metadata.json" })),
		invalid("gap between members", change(1, func(p *zipPart) { p.gap = 100 })),
		invalid("member twice", withParts(func(p []zipPart) []zipPart { return []zipPart{p[0], p[2], p[2]} })),
		invalid("four members", withParts(func(p []zipPart) []zipPart { return append(p, zipPart{name: "extra"}) })),
		invalid("many members claimed", many),
		{Name: "long directory", FileName: condaFN, Bytes: zipFile("", long...), Want: errs.TooLarge},
		invalid("no metadata.json", withParts(func(p []zipPart) []zipPart { return p[1:] })),
		invalid("no info", withParts(func(p []zipPart) []zipPart { return p[:2] })),
		invalid("no pkg", withParts(func(p []zipPart) []zipPart { return []zipPart{p[0], p[2]} })),
		invalid("other format version", change(0, func(p *zipPart) { p.data = []byte(`{"conda_pkg_format_version": 3}`) })),
		invalid("metadata.json is a list", change(0, func(p *zipPart) { p.data = []byte(`[2]`) })),
		{
			Name: "large metadata.json", FileName: condaFN, Want: errs.TooLarge,
			Bytes: change(0, func(p *zipPart) { p.data = []byte(metadata + strings.Repeat(" ", 10_000)) }),
		},
	}
}

// hostileZstd are those that attack the decompressor.
func hostileZstd() []HostileCase {
	var cases []HostileCase
	add := func(want errs.Kind, name string, info []byte) {
		cases = append(cases, HostileCase{Name: name, FileName: condaFN, Bytes: withFrame(info), Want: want})
	}
	honest := compress(honestInfo())
	head := tarHead(file("info/index.json", index))
	zeros := func(size int64) []byte { return append(bytes.Clone(head), tarHeader("info/zeros", size)...) }

	add(errs.TooLarge, "zstd bomb", frame(window1M, zeros(30<<20), 8<<10)) // 1 GiB in 32 KiB
	add(errs.TooLarge, "zstd bomb behind the tar's end", frame(window1M, honestInfo(), 8<<10))
	add(errs.TooLarge, "window of 256 MiB", frame(window256M, honestInfo(), 0))
	add(errs.TooLarge, "window of 128 MiB in use", frame(window128M, zeros(30<<20), 256))
	add(errs.Invalid, "not zstd", []byte("this is not zstd, but neither is it short"))
	add(errs.Invalid, "zstd cut off", honest[:len(honest)-9])
	add(errs.Invalid, "two frames", slices.Concat(honest, honest))
	add(errs.Invalid, "skippable frame first", slices.Concat([]byte{0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4}, honest))
	add(errs.Invalid, "junk behind the frame", append(bytes.Clone(honest), 0))
	add(errs.Invalid, "dictionary", []byte{0x28, 0xb5, 0x2f, 0xfd, 1, window1M, 7, 1, 0, 0})
	add(errs.Invalid, "reserved block", []byte{0x28, 0xb5, 0x2f, 0xfd, 0, window1M, 7, 0, 0})
	// A single segment that promises 32 MiB and holds nothing.
	add(errs.Invalid, "promises 32 MiB", []byte{0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 2, 1, 0, 0})
	pkg := frame(window256M, honestPkg(), 0)
	cases = append(cases, HostileCase{
		Name: "payload with a window of 256 MiB", FileName: condaFN,
		Bytes: zipFile("", parts(honest, pkg)...), Want: errs.TooLarge,
	})
	return cases
}

// hostileInfo are those that attack the reader of the tar.
func hostileInfo() []HostileCase {
	var cases []HostileCase
	add := func(want errs.Kind, name string, more ...tarPart) {
		all := append([]tarPart{file("info/index.json", index)}, more...)
		cases = append(cases, HostileCase{Name: name, FileName: condaFN, Bytes: withInfo(tarOf(all...)), Want: want})
	}
	raw := func(want errs.Kind, name string, tar []byte) {
		cases = append(cases, HostileCase{Name: name, FileName: condaFN, Bytes: withInfo(tar), Want: want})
	}

	add(errs.Invalid, "traversal", file("info/../../etc/cron.d/x", "x"))
	add(errs.Invalid, "traversal by PAX", file("info/"+strings.Repeat("a", 120)+"/../../../x", "x"))
	add(errs.Invalid, "absolute", file("/info/x", "x"))
	add(errs.Invalid, "backslash", file(`info\..\..\x`, "x"))
	add(errs.Invalid, "backslash inside", file(`info/a\b`, "x"))
	add(errs.Invalid, "drive letter", file("C:/info/x", "x"))
	add(errs.Invalid, "control character", file("info/a\x1b[2Jb", "x"))
	add(errs.Invalid, "name is not UTF-8", file("info/\xff", "x"))
	add(errs.Invalid, "detour", file("info/./x", "x"))
	add(errs.Invalid, "empty part", file("info//x", "x"))
	add(errs.Invalid, "outside info", file("bin/sh", "x"))
	add(errs.Invalid, "INFO", file("INFO/index.json", index))
	add(errs.Invalid, "index.json twice", file("info/index.json", index))
	add(errs.Invalid, "index.json twice with a dot", file("./info/index.json", index))
	add(errs.Invalid, "Index.JSON", file("info/Index.JSON", index))
	add(errs.Invalid, "info is a file", file("info", "x"))
	add(errs.Invalid, "symbolic link", link(tar.TypeSymlink, "info/about.json", "/etc/passwd"))
	add(errs.Invalid, "hard link", link(tar.TypeLink, "info/about.json", "info/index.json"))
	add(errs.Invalid, "device", link(tar.TypeChar, "info/tty", ""))
	add(errs.Invalid, "pipe", link(tar.TypeFifo, "info/pipe", ""))
	add(errs.Invalid, "global PAX header", tarPart{&tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"path": "info/about.json"}}, ""})
	add(errs.TooLarge, "deep", file("info/"+strings.Repeat("d/", 100)+"x", "x"))
	add(errs.TooLarge, "long name", file("info/"+strings.Repeat("n", 5000), "x"))

	raw(errs.Invalid, "no index.json", tarOf(file("info/about.json", "{}")))
	raw(errs.Invalid, "index.json is a link", tarOf(file("info/real.json", index), link(tar.TypeSymlink, "info/index.json", "real.json")))
	raw(errs.Invalid, "not a tar", []byte(strings.Repeat("this is not a tar ", 100)))
	raw(errs.Invalid, "tar cut off", tarHead(file("info/index.json", index))[:560])
	raw(errs.Invalid, "second tar behind the end", slices.Concat(honestInfo(), honestInfo()))
	raw(errs.TooLarge, "large member", tarHeader("info/large", 1<<40))
	head := tarHead(file("info/index.json", index))
	pax := func(want errs.Kind, name string, records ...string) {
		raw(want, name, slices.Concat(head, paxHeader(records...), tarOf(file("info/x", strings.Repeat("x", 600)))))
	}
	pax(errs.Invalid, "sparse by PAX", "GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.realsize=99999999999", "GNU.sparse.name=info/x")
	pax(errs.Invalid, "old sparse by PAX", "GNU.sparse.size=99999999999", "GNU.sparse.numblocks=1", "GNU.sparse.map=0,1")
	pax(errs.Invalid, "negative size by PAX", "size=-512")
	pax(errs.Invalid, "shorter by PAX", "size=0")
	pax(errs.TooLarge, "larger by PAX", "size=99999999999")
	pax(errs.Invalid, "other name by PAX", "path=info/index.json")
	pax(errs.Invalid, "name with a NUL by PAX", "path=info/index.json\x00")
	pax(errs.TooLarge, "long name by PAX", "path=info/"+strings.Repeat("y", 3000))
	pax(errs.Invalid, "huge PAX header", "comment="+strings.Repeat("y", 2<<20))

	many := tarHead(file("info/index.json", index))
	empty := tarHeader("info/f00000", 0)
	for i := range 10_001 {
		h := bytes.Clone(empty)
		copy(h[6:11], fmt.Sprintf("%05d", i))
		checksum(h)
		many = append(many, h...)
	}
	raw(errs.TooLarge, "many members", many)
	return cases
}

// paxHeader makes the extended header of the next member from "key=value"s,
// also from those that the tar package does not write.
func paxHeader(records ...string) []byte {
	body := ""
	for _, r := range records {
		n := len(r) + 2
		for n != len(fmt.Sprint(n))+len(r)+2 {
			n = len(fmt.Sprint(n)) + len(r) + 2
		}
		body += fmt.Sprintf("%d %s\n", n, r)
	}
	h := tarHeader("PaxHeaders/x", int64(len(body)))
	h[156] = tar.TypeXHeader
	checksum(h)
	return slices.Concat(h, []byte(body), make([]byte, -len(body)&511))
}

// checksum repairs the sum of a tar header after a change.
func checksum(h []byte) {
	copy(h[148:156], "        ")
	sum := 0
	for _, b := range h[:512] {
		sum += int(b)
	}
	copy(h[148:156], fmt.Sprintf("%06o\x00 ", sum))
}

// hostileIndex are those with metadata that lies or does not parse.
func hostileIndex() []HostileCase {
	var cases []HostileCase
	add := func(want errs.Kind, name, index string, more ...tarPart) {
		all := append([]tarPart{file("info/index.json", index)}, more...)
		cases = append(cases, HostileCase{Name: name, FileName: condaFN, Bytes: withInfo(tarOf(all...)), Want: want})
	}
	with := func(old, other string) string {
		changed := strings.Replace(index, old, other, 1)
		if changed == index {
			panic("no " + old + " in index.json")
		}
		return changed
	}
	add(errs.TooLarge, "large index.json", index+strings.Repeat(" ", 1<<20))
	add(errs.Invalid, "duplicate key", with(`"version":"1.0"`, `"version":"1.0","version":"1.1"`))
	add(errs.Invalid, "duplicate key by escape", with(`"version":"1.0"`, `"version":"1.0","\u0076ersion":"1.1"`))
	add(errs.Invalid, "index.json is not UTF-8", with(`"depends":[]`, "\"depends\":[\"a\xff\"]"))
	add(errs.Invalid, "index.json is a list", "["+index+"]")
	add(errs.Invalid, "index.json is null", "null")
	add(errs.Invalid, "index.json is not JSON", "name: demo\nversion: 1.0\n")
	add(errs.Invalid, "index.json is empty", "")
	add(errs.Invalid, "two documents", index+index)
	add(errs.Invalid, "deep JSON", with(`"depends":[]`, `"x":`+strings.Repeat("[", 100_000)+strings.Repeat("]", 100_000)))
	add(errs.Invalid, "lying name", with(`"demo"`, `"other"`))
	add(errs.Invalid, "lying version", with(`"1.0"`, `"1.0.0"`))
	add(errs.Invalid, "lying build", with(`"build":"0"`, `"build":"1"`))
	add(errs.Invalid, "name is a number", with(`"demo"`, `7`))
	add(errs.Invalid, "no version", with(`"version":"1.0",`, ``))
	add(errs.Invalid, "depends is a text", with(`"depends":[]`, `"depends":"python"`))
	add(errs.Invalid, "negative build number", with(`"build_number":0`, `"build_number":-1`))
	add(errs.Invalid, "traversing subdir", with(`"noarch","noarch"`, `"../noarch","noarch"`))
	add(errs.Invalid, "run_exports is a number", index, file("info/run_exports.json", "7"))
	add(errs.TooLarge, "large run_exports", index, file("info/run_exports.json", "{}"+strings.Repeat(" ", 1<<20)))
	add(errs.Invalid, "paths.json leads out", index, file("info/paths.json", `{"paths":[{"_path":"../../.bashrc","path_type":"hardlink"}]}`))
	add(errs.Invalid, "paths.json with a long text", index, file("info/paths.json", `{"paths":[{"_path":"`+strings.Repeat("x", 1<<20)+`"}]}`))
	add(errs.Invalid, "paths.json is cut off", index, file("info/paths.json", `{"paths":[{"_path":"a"}`))
	return cases
}

// hostileBz2 are .tar.bz2 files.
func hostileBz2() []HostileCase {
	var cases []HostileCase
	add := func(want errs.Kind, name string, b []byte) {
		cases = append(cases, HostileCase{Name: name + " (.tar.bz2)", FileName: bz2FN, Bytes: b, Want: want})
	}
	tarred := func(want errs.Kind, name string, parts ...tarPart) { add(want, name, bz2(tarOf(parts...))) }
	ok := file("info/index.json", index)
	honest := bz2(tarOf(ok, file("share/demo", "hello")))
	bomb := bytes.Repeat(bz2(make([]byte, 900_000)), 300) // 270 MB in some kilobytes

	add(errs.Invalid, "empty file", nil)
	add(errs.Invalid, "not bzip2", []byte("this is not a package at all"))
	add(errs.Invalid, "truncated", honest[:len(honest)-5])
	add(errs.Invalid, "only the beginning", honest[:20])
	add(errs.Invalid, "bytes behind the archive", append(bytes.Clone(honest), "behind"...))
	add(errs.TooLarge, "bzip2 bomb", bomb)
	add(errs.TooLarge, "bzip2 bomb as a member", append(bz2(tarHeader("share/zeros", 1<<33)), bomb...))
	cases = append(cases, HostileCase{Name: "renamed (.tar.bz2)", FileName: "demo-1.0-1.tar.bz2", Bytes: honest, Want: errs.Invalid})
	tarred(errs.Invalid, "index.json twice", ok, file("info/index.json", index))
	tarred(errs.Invalid, "index.json twice around files", ok, file("share/demo", "hello"), file("./info/index.json", index))
	tarred(errs.Invalid, "no index.json", file("share/demo", "hello"))
	tarred(errs.Invalid, "traversal", ok, file("../x", "x"))
	tarred(errs.Invalid, "absolute", ok, file("/etc/passwd", "x"))
	tarred(errs.Invalid, "symbolic link in info", ok, link(tar.TypeSymlink, "info/about.json", "../../x"))
	tarred(errs.Invalid, "Info", ok, file("Info/index.json", index))
	tarred(errs.Invalid, "lying version", file("info/index.json", strings.Replace(index, "1.0", "1.1", 1)))
	return cases
}

// hostilePayload are those whose metadata is in order.
func hostilePayload() []HostileCase {
	var cases []HostileCase
	late := func(want errs.Kind, name, fileName string, b []byte) {
		cases = append(cases, HostileCase{Name: name, FileName: fileName, Bytes: b, Want: want, Late: true})
	}
	both := func(name string, parts ...tarPart) {
		late(errs.Invalid, name, condaFN, withPkg(tarOf(parts...)))
		all := append([]tarPart{file("info/index.json", index)}, parts...)
		late(errs.Invalid, name+" (.tar.bz2)", bz2FN, bz2(tarOf(all...)))
	}
	both("conda-meta", file("conda-meta/demo-1.0-0.json", "{}"))
	both("Conda-Meta", file("Conda-Meta/history", ""))
	both("link leads out", link(tar.TypeSymlink, "lib/x", "../../etc"))
	both("absolute link", link(tar.TypeSymlink, "lib/x", "/etc/passwd"))
	both("link with a detour", link(tar.TypeSymlink, "sub", "."), link(tar.TypeSymlink, "x", "sub/../y"))
	both("written through a link", link(tar.TypeSymlink, "lib/x", "y"), file("lib/x/z", "z"))
	both("link to info", link(tar.TypeSymlink, "x", "info"))
	both("hard link to what is not there", link(tar.TypeLink, "x", "etc/passwd"))
	both("file twice", file("bin/x", "1"), file("bin/x", "2"))
	both("device in the payload", link(tar.TypeBlock, "dev/sda", ""))

	late(errs.Invalid, "traversal in the payload", condaFN, withPkg(tarOf(file("../x", "x"))))
	late(errs.Invalid, "info in the payload", condaFN, withPkg(tarOf(file("info/index.json", index))))
	late(errs.Invalid, "payload is not zstd inside", condaFN, zipFile("", parts(compress(honestInfo()), frame(window1M, []byte("no tar"), 0)[:9])...))
	late(errs.Invalid, "payload with a wrong checksum", condaFN, withParts(func(p []zipPart) []zipPart { p[1].crc = 1; return p }))
	late(errs.TooLarge, "zstd bomb in the payload", condaFN,
		zipFile("", parts(compress(honestInfo()), frame(window8M, tarHeader("share/zeros", 1<<32), 8<<10))...))

	// Equal streams of noise make a member so long that Read stops before it.
	const streams, size = 2, 900_000
	files := bytes.Repeat(bz2(noise(size)), streams)
	start := bz2(slices.Concat(tarHead(file("info/index.json", index)), tarHeader("share/noise", streams*size)))
	pad := make([]byte, -(streams*size)&511)
	second := bz2(slices.Concat(pad, tarOf(file("info/index.json", index))))
	exports := bz2(slices.Concat(pad, tarOf(file("info/run_exports.json", `["demo"]`))))
	late(errs.Invalid, "second index.json behind the files", bz2FN, slices.Concat(start, files, second))
	late(errs.Invalid, "run_exports.json behind the files", bz2FN, slices.Concat(start, files, exports))
	return cases
}

// Large makes "demo-1.0-0.tar.bz2" with more bytes than are looked at while an
// uploader waits; a file of its payload comes twice.
func Large() []byte {
	const streams, size = 10, 900_000 // equal streams of noise, compressed once
	start := bz2(slices.Concat(tarHead(file("info/index.json", index)), tarHeader("share/noise", streams*size)))
	end := bz2(slices.Concat(make([]byte, -(streams*size)&511), tarOf(file("bin/x", "1"), file("bin/x", "2"))))
	return slices.Concat(start, bytes.Repeat(bz2(noise(size)), streams), end)
}

// Around makes the .conda "demo-1.0-0.conda" around a tar for info/, for tests
// that make up the tar.
func Around(tar []byte) []byte { return withFrame(frame(window8M, tar, 0)) }

// AroundZeros is Around with blocks of 128 KiB of zeros behind the tar.
func AroundZeros(tar []byte, blocks int) []byte { return withFrame(frame(window8M, tar, blocks)) }

// WithMetadata makes an honest "demo-1.0-0.conda" of 40 kB whose metadata.json has
// n bytes, so that what follows begins where the caller likes.
func WithMetadata(n int) []byte {
	p := parts(compress(honestInfo()), compress(tarOf(file("share/demo", string(noise(40_000))))))
	p[0].data = []byte(metadata + strings.Repeat(" ", n-len(metadata)))
	return zipFile("", p...)
}

// WideWindow makes a small honest "demo-1.0-0.conda" whose info/ declares a
// zstd window of 128 MiB, as those of older builders do.
func WideWindow() []byte { return withFrame(frame(window128M, honestInfo(), 0)) }
