package registry_test

import (
	"bytes"
	"encoding/json/jsontext"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"terrarium/internal/access"
	"terrarium/internal/condatest"
	"terrarium/internal/registry"
	"terrarium/internal/repodata"
)

// changes are all methods that change something that people can see. Each is run
// in a world in which alice/demo 1.0 is in main and dev, alice/gone is in the
// trash and a copy of demo waits for its commit.
var changes = map[string]func(w *world) error{
	"CreateChannel": func(w *world) error {
		_, err := w.CreateChannel(w.ctx, w.alice, "alice", registry.NewChannel{Name: "new"})
		return err
	},
	"UpdateChannel": func(w *world) error {
		_, err := w.UpdateChannel(w.ctx, w.alice, "alice", "dev", registry.ChannelUpdate{Description: ptr("New")})
		return err
	},
	"SetVisibility": func(w *world) error {
		return w.SetVisibility(w.ctx, w.alice, "alice", "dev", access.Private)
	},
	"LockChannel": func(w *world) error { return w.LockChannel(w.ctx, w.alice, "alice", "dev") },
	"UnlockChannel": func(w *world) error {
		return w.UnlockChannel(w.ctx, w.alice, "alice", "dev")
	},
	"FreezeChannel": func(w *world) error {
		_, err := w.FreezeChannel(w.ctx, w.alice, "alice", "dev", "")
		return err
	},
	"ThawChannel": func(w *world) error {
		_, err := w.ThawChannel(w.ctx, w.alice, "alice", "dev")
		return err
	},
	"CreateSnapshot": func(w *world) error {
		_, err := w.CreateSnapshot(w.ctx, w.alice, "alice", registry.NewSnapshot{Name: "q4", Owner: "alice", Channel: "dev"})
		return err
	},
	"RollBack": func(w *world) error {
		_, err := w.RollBack(w.ctx, w.alice, "alice", "dev", "0")
		return err
	},
	"AddLabel": func(w *world) error {
		_, err := w.AddLabel(w.ctx, w.alice, "alice", "prod", registry.Selector{})
		return err
	},
	"RemoveLabel": func(w *world) error {
		_, err := w.RemoveLabel(w.ctx, w.alice, "alice", "dev", registry.Selector{})
		return err
	},
	"CopyLabel": func(w *world) error {
		_, err := w.CopyLabel(w.ctx, w.alice, "alice", "main", "prod")
		return err
	},
	"CreatePackage": func(w *world) error {
		_, _, err := w.CreatePackage(w.ctx, w.alice, "alice", "new", registry.NewPackage{})
		return err
	},
	"UpdatePackage": func(w *world) error {
		_, err := w.UpdatePackage(w.ctx, w.alice, "alice", "demo", jsontext.Value(`{"summary":"New"}`))
		return err
	},
	"ChangeSettings": func(w *world) error {
		_, err := w.ChangeSettings(w.ctx, w.alice, "alice", "demo", registry.PackageSettings{}, registry.PackageSettings{Summary: "New", Private: true})
		return err
	},
	"SetPrivate": func(w *world) error {
		_, err := w.SetPrivate(w.ctx, w.alice, "alice", "demo", true)
		return err
	},
	"DeletePackage": func(w *world) error { return w.DeletePackage(w.ctx, w.alice, "alice", "demo") },
	"CreateRelease": func(w *world) error {
		_, _, err := w.CreateRelease(w.ctx, w.alice, "alice", "demo", "9", registry.NewRelease{})
		return err
	},
	"UpdateRelease": func(w *world) error {
		_, err := w.UpdateRelease(w.ctx, w.alice, "alice", "demo", "1.0", registry.ReleaseUpdate{Description: ptr("New")})
		return err
	},
	"DeleteRelease": func(w *world) error { return w.DeleteRelease(w.ctx, w.alice, "alice", "demo", "1.0") },
	"DeleteFile": func(w *world) error {
		_, err := w.DeleteFile(w.ctx, w.alice, "alice", "demo", "1.0", demo)
		return err
	},
	"RestoreFile": func(w *world) error {
		trash, err := w.Trash(w.ctx, w.alice, "alice")
		if err != nil {
			return err
		}
		_, err = w.RestoreFile(w.ctx, w.alice, trash[0].ID)
		return err
	},
	"Withdraw": func(w *world) error {
		_, err := w.Withdraw(w.ctx, w.alice, "alice", "demo", "1.0", demo, "bad")
		return err
	},
	"Unwithdraw": func(w *world) error {
		_, err := w.Unwithdraw(w.ctx, w.alice, "alice", "demo", "1.0", demo)
		return err
	},
	"Copy": func(w *world) error {
		_, err := w.Copy(w.ctx, w.alice, registry.CopyRequest{Owner: "alice", Package: "demo", Version: "1.0", ToOwner: "acme"})
		return err
	},
	"Upload": func(w *world) error {
		_, _, err := w.upload(w.alice, "alice", condatest.Spec{Name: "new"})
		return err
	},
	"Stage": func(w *world) error {
		_, err := w.Stage(w.ctx, w.alice, stageOf("1"))
		return err
	},
	"Commit": func(w *world) error {
		staged, err := w.Stage(w.ctx, w.alice, stageOf("1"))
		if err != nil {
			return err
		}
		content := condatest.Make(w.t, condatest.Spec{Build: "1"})
		if err := w.Receive(w.ctx, staged.Secret, bytes.NewReader(content), registry.Declared{}); err != nil {
			return err
		}
		w.exec("DELETE FROM audit")
		_, err = w.Commit(w.ctx, w.alice, "alice", "demo", "1.0", stageOf("1").Basename, staged.ID)
		return err
	},
	"Import": func(w *world) error {
		folder := fstest.MapFS{"noarch/repodata.json": &fstest.MapFile{Data: manyRecords(3)}}
		_, err := w.Import(w.ctx, w.alice, "alice", "forge", registry.ImportSource{Files: folder, MetadataOnly: true, BaseURL: "https://channel.test"}, nil)
		return err
	},
	"Patch": func(w *world) error {
		p, err := repodata.ParsePatch([]byte(`{"patch_instructions_version":1,"packages.conda":{"demo-1.0-0.conda":{"depends":["x"]}}}`))
		if err != nil {
			return err
		}
		_, err = w.Patch(w.ctx, w.alice, "alice", "main", map[string]repodata.Patch{"noarch": p})
		return err
	},
	"CreateNotice": func(w *world) error {
		_, err := w.CreateNotice(w.ctx, w.alice, "alice", registry.NewNotice{Message: "Closed on Sunday.", Level: "info"})
		return err
	},
	"UpdateNotice": func(w *world) error {
		n, err := w.CreateNotice(w.ctx, w.alice, "alice", registry.NewNotice{Message: "Closed on Sunday.", Level: "info"})
		if err != nil {
			return err
		}
		w.exec("DELETE FROM audit")
		_, err = w.UpdateNotice(w.ctx, w.alice, "alice", n.ID, registry.NoticeUpdate{Message: ptr("Open on Sunday.")})
		return err
	},
	"CheckFile": func(w *world) error {
		f, _, err := w.Upload(w.ctx, w.alice, registry.UploadRequest{Owner: "alice", FileName: "demo-1.0-0.tar.bz2", Body: bytes.NewReader(condatest.Large()), Size: -1, Force: true})
		if err != nil {
			return err
		}
		w.exec("DELETE FROM audit")
		return w.CheckFile(w.ctx, f.ID)
	},
	"CheckFiles": func(w *world) error {
		f, _, err := w.Upload(w.ctx, w.alice, registry.UploadRequest{Owner: "alice", FileName: "demo-1.0-0.tar.bz2", Body: bytes.NewReader(condatest.Large()), Size: -1, Force: true})
		if err != nil {
			return err
		}
		w.exec("DELETE FROM audit")
		w.exec("INSERT INTO unchecked_files (file_id) VALUES ($1)", f.ID)
		return w.CheckFiles(w.ctx)
	},
	"GC": func(w *world) error {
		w.pass(15 * 24 * time.Hour)
		_, err := w.GC(w.ctx, access.System(), false, 0)
		return err
	},
}

// silent are the methods that write rows and are nobody's deed: Receive only
// brings bytes to an upload that Stage has put on record, counting downloads,
// keeping fetched bytes and saying what a change on record brought change nothing that
// anybody decided; Erase carries out a deletion on record, and account.EndErasing
// writes down that it is done.
var silent = []string{"Close", "CountDownload", "Erase", "FlushDownloads", "OpenFile", "Receive", "TellPackages"}

// writing are the methods of sqldb.DB through which rows are written.
var writing = map[string]bool{"Exec": true, "Tx": true, "CopyIn": true}

// writers gives the exported methods of Registry from which a statement that
// writes can be reached, by following the names that functions call.
func writers(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	calls, exported := map[string]map[string]bool{}, map[string]bool{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			// Methods of one name of several types count as one.
			if calls[f.Name.Name] == nil {
				calls[f.Name.Name] = map[string]bool{}
			}
			if f.Recv != nil && f.Name.IsExported() {
				star, ok := f.Recv.List[0].Type.(*ast.StarExpr)
				exported[f.Name.Name] = ok && star.X.(*ast.Ident).Name == "Registry"
			}
			ast.Inspect(f, func(n ast.Node) bool {
				s, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				x, ok := s.X.(*ast.Ident)
				switch {
				case writing[s.Sel.Name], ok && (x.Name == "r" || x.Name == "c" || x.Name == "i" || x.Name == "p"): // a Registry, change, importer, patcher
					calls[f.Name.Name][s.Sel.Name] = true
				}
				return true
			})
		}
	}
	var found []string
	for name := range exported {
		if exported[name] && reaches(calls, name, map[string]bool{}) {
			found = append(found, name)
		}
	}
	return found
}

// reaches reports whether a function calls one that writes.
func reaches(calls map[string]map[string]bool, from string, seen map[string]bool) bool {
	seen[from] = true
	for name := range calls[from] {
		if writing[name] || !seen[name] && reaches(calls, name, seen) {
			return true
		}
	}
	return false
}

func stageOf(build string) registry.StageRequest {
	return registry.StageRequest{Owner: "alice", Package: "demo", Version: "1.0", Basename: "noarch/demo-1.0-" + build + ".conda", Type: "conda"}
}

func TestEveryChangeIsAudited(t *testing.T) {
	found := writers(t)
	for _, name := range found {
		if _, changing := changes[name]; changing == slices.Contains(silent, name) {
			t.Errorf("%s writes rows: put it into one of the two lists", name)
		}
	}
	for name := range changes {
		if !slices.Contains(found, name) {
			t.Errorf("%s is not found among the methods that write", name)
		}
	}
	for name, do := range changes {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				w.must(w.alice, "alice", condatest.Spec{}, func(u *registry.UploadRequest) { u.Labels = []string{"dev"} })
				w.must(w.alice, "alice", condatest.Spec{Name: "gone"})
				if _, err := w.DeleteFile(w.ctx, w.alice, "alice", "gone", "1.0", "noarch/gone-1.0-0.conda"); err != nil {
					t.Fatal(err)
				}
				w.exec("DELETE FROM audit")
				if err := do(w); err != nil {
					t.Fatal(err)
				}
				want := "alice"
				if name == "GC" || name == "CheckFile" || name == "CheckFiles" {
					want = ""
				}
				if n := w.count("SELECT count(*) FROM audit WHERE actor_name = $1 AND action <> ''", want); n == 0 {
					t.Error("no row in the audit log")
				}
				w.clean()
			})
		})
	}
}

// What is refused leaves no trace.
func TestRefusedChangesWriteNothing(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.must(w.alice, "alice", condatest.Spec{}, func(u *registry.UploadRequest) { u.Labels = []string{"dev"} })
		w.must(w.alice, "alice", condatest.Spec{Name: "gone"})
		if _, err := w.DeleteFile(w.ctx, w.alice, "alice", "gone", "1.0", "noarch/gone-1.0-0.conda"); err != nil {
			t.Fatal(err)
		}
		before := w.rows()
		alice := w.alice
		for _, who := range []access.Actor{w.bob, w.nobody, tokenOf(w.alice, "api:read")} {
			w.alice = who
			for name, do := range changes {
				switch name {
				case "GC", "RestoreFile": // of the system; of what Trash already refuses
					continue
				}
				if err := do(w); err == nil {
					t.Errorf("%s by %q was not refused", name, who.Name+who.Credential)
				}
			}
		}
		w.alice = alice
		for table, n := range w.rows() {
			if n != before[table] {
				t.Errorf("%d rows came to %s", n-before[table], table)
			}
		}
	})
}
