package uitest

import (
	"terrarium/internal/ui/pages/channel"
	"terrarium/internal/ui/pages/dependencies"
	"terrarium/internal/ui/pages/file"
	"terrarium/internal/ui/pages/files"
	"terrarium/internal/ui/pages/history"
	"terrarium/internal/ui/pages/owner"
	"terrarium/internal/ui/pages/releases"
	"terrarium/internal/ui/pages/snapshot"
	"terrarium/internal/ui/shared"
)

// tabs are the further pages of a package.
func (f frames) tabs() []Case {
	frame := f.member("rasterio · acme", "/acme/rasterio", "acme")
	empty := shared.PackageHead{Owner: "nia", Name: "seedling", Private: true, Tabs: []shared.Tab{{Label: "Overview", Href: "/nia/seedling"}, {Label: "Releases", Href: "/nia/seedling/releases", Current: true}}}
	main := []shared.Link{{Text: "main", Href: "/acme/-/channels/main"}}
	list := releases.Page{Page: frame, Head: f.head("Releases"), Rows: []releases.Release{
		{Version: "1.4.3", Channels: main, At: ago(3), By: "ben", Files: 19, Size: 145_000_000, Downloads: 11482, DeleteURL: "/acme/rasterio/releases/1.4.3/delete"},
		{Version: "1.4.0rc1", Channels: []shared.Link{{Text: "rc", Href: "/acme/-/channels/rc"}}, At: ago(92), Files: 18, Size: 140_000_000, Downloads: 77, States: []shared.Badge{{Kind: "warn", Icon: "triangle-alert", Text: "yanked"}}},
	}, Pages: &shared.Pager{From: 1, To: 2, Total: 23, Next: "/acme/rasterio/releases?after=2"}}
	all := files.Page{
		Page: frame, Head: f.head("Files"), Total: 402,
		Release: []shared.Option{{Value: "", Label: "All releases"}, {Value: "1.4.3", Label: "1.4.3", Selected: true}}, Subdirs: []shared.Option{{Value: "", Label: "All platforms", Selected: true}, {Value: "linux-64", Label: "linux-64"}},
		Rows: []files.File{
			{Subdir: "linux-64", Name: "rasterio-1.4.3-py312h8456570_0.conda", Version: "1.4.3", Size: 7_900_000, At: ago(3), Downloads: 811, DownloadURL: "/conda/acme/linux-64/rasterio-1.4.3-py312h8456570_0.conda"},
			{Subdir: "win-64", Name: "rasterio-1.4.3-py312h8456570_0.tar.bz2", Version: "1.4.3", Size: 9_900_000, At: ago(3), Downloads: 0, States: []shared.Badge{{Kind: "bad", Icon: "ban", Text: "blocked"}}},
		}, Pages: &shared.Pager{From: 51, To: 100, Total: 402, Prev: "/acme/rasterio/files", Next: "/acme/rasterio/files?after=100"},
	}
	one := file.Page{
		Page: frame, Head: f.head("Files"), Subdir: "linux-64", Name: "rasterio-1.4.3-py312h8456570_0.conda", Size: 7_900_000,
		DownloadURL: "/conda/acme/linux-64/rasterio-1.4.3-py312h8456570_0.conda", DeleteURL: "/acme/rasterio/files/linux-64/rasterio-1.4.3-py312h8456570_0.conda/delete",
		YankURL: "/acme/rasterio/files/linux-64/rasterio-1.4.3-py312h8456570_0.conda/yank",
		SHA256:  "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", MD5: "098f6bcd4621d373cade4e832627b4f6",
		Facts:   []file.Fact{{Label: "Version", Value: "1.4.3", Href: "/acme/rasterio/releases/1.4.3"}, {Label: "Build", Value: "py312h8456570_0"}, {Label: "Build number", Value: "0"}, {Label: "Licence", Value: "BSD-3-Clause"}},
		Depends: []string{"affine", "libgdal-core >=3.10.3,<3.11.0a0", "numpy >=1.21,<3", "python >=3.12,<3.13.0a0"}, Constrains: []string{"gdal 3.10.*"}, RunExports: []string{"weak: rasterio >=1.4.3,<1.5"},
		Uploaded: ago(3), By: "ben", Downloads: 811, Channels: main,
		Contents: []file.Entry{{Path: "lib/python3.12/site-packages/rasterio/__init__.py", Size: 12_000}, {Path: "bin/.rasterio-post-link.sh", Size: 200, Note: "link script"}}, Entries: 402,
		Info: []file.Info{{Name: "info/recipe/meta.yaml", Text: "package:\n  name: rasterio\n"}},
	}
	unread := file.Page{Page: frame, Head: f.head("Files"), Subdir: "noarch", Name: "affine-2.4.0-pyhd8ed1ab_0.conda", SHA256: one.SHA256, NotRead: "Contents are read when the file is first fetched.", Uploaded: ago(3), State: shared.Notice{Kind: "bad", Title: "Blocked in acme/prod.", Text: "Its licence is not on the list.", Link: "Why", Href: "/why/8KQ2"}}
	yanked := one
	yanked.Yanked, yanked.State = true, shared.Notice{Kind: "warn", Title: "Yanked.", Text: "It reads past the end of a tile. Its address still works."}
	needs := dependencies.Page{
		Page: frame, Head: f.head("Dependencies"), Total: 31,
		Subdirs: []shared.Option{{Value: "linux-64", Label: "linux-64", Selected: true}}, Builds: []shared.Option{{Value: "py312h8456570_0", Label: "py312h8456570_0", Selected: true}},
		Constrains: []dependencies.Need{{Dependency: shared.Dependency{Name: "gdal", Spec: "3.10.*"}}},
		Dependents: []dependencies.Dependent{{Owner: "acme", Name: "rioxarray", Version: "0.19.0", Spec: ">=1.3"}},
	}
	for i, d := range needed() {
		need := dependencies.Need{Dependency: d, Newest: "1.0", Where: "acme/main"}
		if i == 2 {
			need.Newest, need.Href = "", ""
		}
		needs.Depends = append(needs.Depends, need)
	}
	return []Case{
		{"releases-full", releases.View(list)},
		{"releases-empty", releases.View(releases.Page{Page: frame, Head: empty})},
		{"files-full", files.View(all)},
		{"files-empty", files.View(files.Page{Page: frame, Head: empty})},
		{"file-full", file.View(one)},
		{"file-yanked", file.View(yanked)},
		{"file-error", file.View(unread)},
		{"dependencies-full", dependencies.View(needs)},
		{"dependencies-empty", dependencies.View(dependencies.Page{Page: frame, Head: empty})},
	}
}

// owners are the pages of owners and channels.
func (f frames) owners() []Case {
	setup := shared.Install{Chosen: "conda", Tools: []shared.Tool{{Name: "conda", Lines: []string{"conda config --prepend channels https://conda.acme.example/conda/acme"}}, {Name: "pixi", Lines: []string{"pixi workspace channel add https://conda.acme.example/conda/acme"}}}}
	tabs := func(current string) []shared.Tab {
		all := []shared.Tab{{Label: "Packages", Href: "/acme", Count: "412"}, {Label: "Channels", Href: "/acme/-/channels", Count: "2"}, {Label: "People", Href: "/acme/-/people", Count: "2"}}
		for i := range all {
			all[i].Current = all[i].Label == current
		}
		return all
	}
	head := func(current string) shared.OwnerHead {
		return shared.OwnerHead{Owner: shared.Owner{Name: "acme", Organization: true}, FullName: "Acme platform team", Description: "Geospatial packages, built nightly.", Place: "Bilbao", Home: "https://acme.example", Tabs: tabs(current), MayEdit: true}
	}
	frame := f.member("acme", "/acme", "acme")
	packages := owner.Page{
		Page: frame, Head: head("Packages"), Setup: setup, Storage: &shared.Use{Label: "Storage", Words: "41 of 100 GB", Part: 41},
		PackageTab: &owner.Packages{Total: 412, Table: shared.PackageTable{Caption: "Packages of acme", Sort: "released", SortURL: "/acme?sort=", Rows: []shared.PackageRow{row("acme", "rasterio", "1.4.3", "", 3, 11482), row("acme", "gdal", "3.10.3", "", 1, 23190)}}, Pages: &shared.Pager{From: 1, To: 50, Total: 412, Next: "/acme?after=50"}},
	}
	empty := owner.Page{Page: f.anonymous("nia", "/nia"), Head: shared.OwnerHead{Owner: shared.Owner{Name: "nia"}, Tabs: []shared.Tab{{Label: "Packages", Href: "/nia", Current: true}}}, PackageTab: &owner.Packages{}}
	mine := owner.Page{Page: f.newcomer("nia", "/nia"), Head: shared.OwnerHead{Owner: shared.Owner{Name: "nia"}, Home: "javascript:alert(1)", MayEdit: true, Tabs: []shared.Tab{{Label: "Packages", Href: "/nia", Current: true}}}, PackageTab: &owner.Packages{Upload: []string{"anaconda upload mypackage-1.0-0.conda"}}}
	channels := owner.Page{Page: frame, Head: head("Channels"), Setup: setup, ChannelTab: &owner.Channels{Rows: []owner.Channel{{Name: "main", Kind: "local", Readers: "everybody", Packages: 412, Changed: ago(0.3)}, {Name: "prod/eu", Kind: "virtual", Readers: "14 people", Private: true, Frozen: true}}}}
	people := owner.Page{Page: frame, Head: head("People"), PeopleTab: &owner.People{Total: 2, Members: []shared.Owner{{Name: "ana", Role: "owner"}, {Name: "ben", Role: "member"}}}}
	nobody := people
	nobody.PeopleTab = &owner.People{}

	local := channel.Page{
		Page: frame, Owner: "acme", Name: "main", Kind: "local", Description: "Acme platform team", Readers: "Everybody may read it", Generation: 1841, Changed: ago(0.3), Setup: setup,
		AsOf:    "conda install -c https://conda.acme.example/conda/acme/main/at/2026-11-20 rasterio",
		Subdirs: []channel.Subdir{{Name: "noarch", Records: 812, Size: 91_000_000}, {Name: "linux-64", Records: 4120, Size: 21_400_000_000}}, PackageAll: 412,
		Packages: []channel.Package{{Owner: "acme", Name: "rasterio", Version: "1.4.3", Summary: "Fast and direct raster I/O for use with NumPy", Released: ago(3)}},
		Changes:  []channel.Change{{Generation: 1841, At: ago(0.3), Sentence: "Added xarray 2025.4.0, 1 file", By: "ci-bot"}, {Generation: 1840, At: ago(1.1), Sentence: "Removed gdal 3.9.1, 20 files"}},
		Pages:    &shared.Pager{From: 1, To: 50, Total: 412, Next: "/acme/-/channels/main?after=50"},
	}
	hollow := channel.Page{Page: frame, Owner: "acme", Name: "dev", Kind: "local", Private: true, Readers: "14 people in 2 groups, 3 tokens may read it", Setup: setup, Upload: []string{"anaconda upload --label dev FILE"}, Subdirs: []channel.Subdir{{Name: "noarch"}}}
	failing := local
	failing.Kind, failing.Frozen, failing.Source = "mirror", true, &channel.Source{URL: "https://conda.example/upstream", LastRun: ago(0.2), Failing: "This channel is serving what was there at 04:10."}
	local.HistoryURL, local.FreezeURL, local.SnapshotURL = "/acme/-/history/main", "/acme/-/freeze/main", "/acme/-/snapshot/main"
	snap := local
	snap.Name, snap.Kind, snap.FreezeURL, snap.SnapshotURL, snap.AsOf = "q4-2026", "snapshot", "", "", ""
	snap.SnapshotOf = &shared.Link{Text: "acme/main", Href: "/acme/-/channels/main"}
	past := history.Page{
		Page: frame, Owner: "acme", Name: "main", Older: "/acme/-/history/main?before=1838", Newest: "/acme/-/history/main",
		Generations: []history.Generation{
			{Number: 1841, At: ago(0.3), By: "ci-bot", Sentence: "Uploaded xarray", Added: 1, Href: "/acme/-/changes/main?generation=1841"},
			{Number: 1840, At: ago(1.1), By: "ben", Sentence: "Rolled back to generation 1827: gdal, rasterio and 12 more", Added: 20, Removed: 41, Href: "/acme/-/changes/main?generation=1840", RollbackURL: "/acme/-/rollback/main?to=1840"},
			{Number: 1838, At: ago(2.4), Sentence: "Imported abseil, blosc and 700 more", Added: 41_220, Href: "/acme/-/changes/main?generation=1838", RollbackURL: "/acme/-/rollback/main?to=1838"},
		},
	}
	one := history.Changes{
		Page: frame, Owner: "acme", Name: "main", Heading: "Generation 1840", Sentence: past.Generations[1].Sentence, By: "ben", At: ago(1.1), Added: 20, Removed: 41, Counted: true,
		URL: "https://conda.acme.example/conda/acme/main/at/1840", RollbackURL: "/acme/-/rollback/main?to=1840", SnapshotURL: "/acme/-/snapshot/main?at=1840", Older: "/acme/-/changes/main?generation=1838", Next: "/acme/-/changes/main?generation=1840&after=x",
		Subdirs: []history.Subdir{
			{Name: "linux-64", Files: []history.File{
				{Kind: "added", Package: "gdal", Name: "gdal-3.10.3-py312h8456570_0.conda", Href: "/acme/gdal/files/linux-64/gdal-3.10.3-py312h8456570_0.conda"},
				{Kind: "removed", Package: "rasterio", Name: "rasterio-1.4.3-py312h8456570_0.conda"},
			}},
			{Name: "noarch", Files: []history.File{
				{Kind: "replaced", Package: "affine", Name: "affine-2.4.0-pyhd8ed1ab_0.conda", Href: "/acme/affine/files/noarch/affine-2.4.0-pyhd8ed1ab_0.conda"},
				{Kind: "changed", Package: "xarray", Name: "xarray-2025.4.0-pyhd8ed1ab_0.conda", Href: "/acme/xarray/files/noarch/xarray-2025.4.0-pyhd8ed1ab_0.conda"},
			}},
		},
	}
	form := snapshot.Page{Page: frame, Owner: "acme", Name: "main", At: "1840", Action: "/acme/-/snapshot/main"}
	wrong := form
	wrong.New, wrong.Errors = "main", shared.Problems{{Field: "name", Text: "The channel acme/main exists already."}, {Field: "at", Text: "acme/main has no generation 9999; the last one is 1841."}}
	return []Case{
		{"owner-full", owner.View(packages)},
		{"channel-snapshot", channel.View(snap)},
		{"history-full", history.View(past)},
		{"history-empty", history.View(history.Page{Page: frame, Owner: "acme", Name: "dev"})},
		{"changes-full", history.ViewChanges(one)},
		{"changes-empty", history.ViewChanges(history.Changes{Page: frame, Owner: "acme", Name: "dev", Heading: "From generation 1 to 1", URL: "https://conda.acme.example/conda/acme/dev/at/1"})},
		{"snapshot-new", snapshot.View(form)},
		{"snapshot-error", snapshot.View(wrong)},
		{"owner-empty", owner.View(empty)},
		{"owner-new", owner.View(mine)},
		{"owner-channels", owner.View(channels)},
		{"owner-people", owner.View(people)},
		{"owner-nobody", owner.View(nobody)},
		{"channel-full", channel.View(local)},
		{"channel-empty", channel.View(hollow)},
		{"channel-error", channel.View(failing)},
	}
}
