package uitest

import (
	"time"

	"terrarium/internal/ui/markdown"
	"terrarium/internal/ui/pages/overview"
	"terrarium/internal/ui/shared"
)

const readme = "# Rasterio\n\nRasterio reads and writes geospatial raster data. Geographic information systems use [GeoTIFF](https://www.ogc.org/) and other formats to organise and store gridded, or raster, data sets. Rasterio reads and writes these formats and provides a Python API based on N-D arrays.\n\n### Example\n\n```python\nimport rasterio\n\nwith rasterio.open(\"tests/data/RGB.byte.tif\") as src:\n    r, g, b = src.read()\n    print(src.crs, src.bounds)      # EPSG:32618 BoundingBox(…)\n```\n"

func (f frames) head(tab string) shared.PackageHead {
	tabs := []shared.Tab{{Label: "Overview", Href: "/acme/rasterio"}, {Label: "Releases", Href: "/acme/rasterio/releases", Count: "23"}, {Label: "Files", Href: "/acme/rasterio/files", Count: "402"}, {Label: "Dependencies", Href: "/acme/rasterio/dependencies", Count: "17"}}
	for i := range tabs {
		tabs[i].Current = tabs[i].Label == tab
	}
	return shared.PackageHead{
		Owner: "acme", Name: "rasterio", Version: "1.4.3", Kinds: []string{"conda", "wheel"},
		Versions: []shared.Option{{Value: "1.4.3", Label: "1.4.3", Selected: true}, {Value: "1.4.2", Label: "1.4.2"}, {Value: "1.4.0rc1", Label: "1.4.0rc1"}},
		Summary:  "Fast and direct raster I/O for use with NumPy. Reads and writes GeoTIFF and other gridded data sets through GDAL.",
		Licence:  "BSD-3-Clause", Released: ago(3), By: "ben", Downloads: 11482, Source: shared.Link{Text: "a1c9f3e", Href: "https://github.com/rasterio/rasterio/commit/a1c9f3e"}, Tabs: tabs,
	}
}

// packages are the pages of a package.
func (f frames) packages() []Case {
	frame := f.member("rasterio · acme", "/acme/rasterio", "acme")
	full := overview.Page{
		Page: frame, Head: f.head("Overview"),
		Install: overview.Install{
			Install: shared.Install{Chosen: "conda", Tools: []shared.Tool{
				{Name: "conda", Lines: []string{"conda install -c https://conda.acme.example/conda/acme rasterio"}},
				{Name: "mamba", Lines: []string{"mamba install -c https://conda.acme.example/conda/acme rasterio"}},
				{Name: "pixi", Lines: []string{"pixi workspace channel add https://conda.acme.example/conda/acme", "pixi add rasterio"}},
				{Name: "pip", Lines: []string{"pip install -i https://conda.acme.example/pypi/acme/simple/ rasterio"}},
			}},
			Channels: []shared.Option{{Value: "acme/main", Label: "acme/main", Selected: true}, {Value: "acme/rc", Label: "acme/rc"}}, Channel: "acme/main",
			SetupURL: "/acme/-/channels/main", Pin: "rasterio=1.4.3",
		},
		Security: &overview.Security{Kind: "ok", Title: "No known vulnerabilities", Sentence: "In 1.4.3, checked 2 hours ago against 3 feeds.", Badges: []shared.Badge{{Kind: "ok", Icon: "check", Text: "Signed"}, {Kind: "ok", Icon: "check", Text: "Attested build"}, {Text: "SBOM"}}},
		Files: overview.Files{
			Count: 19, Size: 145_000_000, Platforms: []string{"linux-64", "linux-aarch64", "osx-64", "osx-arm64", "win-64"},
			Groups: []shared.MatrixGroup{{Rows: matrix()}},
		},
		Dependencies: overview.Dependencies{
			For: "linux-64, Python 3.12", Total: 17, Dependents: 31, Href: "/acme/rasterio/dependencies",
			Items: needed(),
		},
		README:   overview.README{HTML: markdown.Render([]byte(readme), markdown.Options{}).HTML, Cut: true, AllURL: "/acme/rasterio?readme=all#readme", From: "1.4.3"},
		Releases: []overview.Release{{Version: "1.4.3", Badge: shared.Badge{Text: "main"}, At: ago(3)}, {Version: "1.4.2", Badge: shared.Badge{Text: "main"}, At: ago(43)}, {Version: "1.4.1", Badge: shared.Badge{Text: "main"}, At: ago(80)}, {Version: "1.4.0rc1", Badge: shared.Badge{Text: "rc"}, At: ago(92)}, {Version: "1.3.11", Badge: shared.Badge{Text: "main"}, At: ago(132)}, {Version: "1.3.9", Badge: shared.Badge{Kind: "bad", Icon: "ban", Text: "blocked", Href: "/why/8KQ2"}, At: ago(263)}}, ReleaseCount: 23,
		Licence: shared.Link{Text: "BSD-3-Clause", Href: "/search?q=licence%3ABSD-3-Clause"}, Home: "https://rasterio.readthedocs.io/", Source: "https://github.com/rasterio/rasterio",
		Channels:    []shared.Link{{Text: "acme/main", Href: "/acme/-/channels/main"}, {Text: "acme/rc", Href: "/acme/-/channels/rc"}},
		Maintainers: []overview.Maintainer{{Name: "ana", Href: "/ana"}, {Name: "ben", Href: "/ben"}, {Name: "geo", Group: true}},
		First:       time.Date(2024, 2, 14, 9, 0, 0, 0, time.UTC),
	}
	full.Head.Watch = &shared.Watch{Action: "/acme/rasterio/watch"}
	full.Head.UploadURL = "/add?owner=acme&package=rasterio"
	for i, n := range days(45, 11, 600) {
		full.Downloads = append(full.Downloads, shared.DayCount{Day: Now().AddDate(0, 0, i-44), Count: n})
	}
	empty := overview.Page{Page: f.anonymous("seedling · nia", "/nia/seedling"), Head: shared.PackageHead{Owner: "nia", Name: "seedling", Private: true, Readers: "1 person can read this", Tabs: []shared.Tab{{Label: "Overview", Href: "/nia/seedling", Current: true}}}}
	empty.README.HowToIt = "Put a README.md beside the recipe's meta.yaml and name it in about."
	dark := full
	dark.Theme = "dark"
	bare := full
	bare.Page.Viewer = nil
	bare.Security, bare.Head.Watch, bare.Head.UploadURL = nil, nil, ""
	bare.Files.Groups = []shared.MatrixGroup{{Title: "Python 3.13, 4 builds", Open: true, Rows: matrix()}, {Title: "Python 3.12, 4 builds", Rows: matrix()}}
	bare.Files.Noarch = []shared.NoarchFile{{Label: "pyhd8ed1ab", Build: "build 2", Href: "/acme/rasterio/files/noarch/rasterio-1.4.3-pyhd8ed1ab_2.conda", Size: 42_000}}
	bare.Blocked = &overview.Blocked{Sentence: "rasterio 1.4.3 is blocked in acme/prod.", WhyURL: "/why/8KQ2", Allowed: &shared.Code{Lines: []string{`conda install -c https://conda.acme.example/conda/acme/prod "rasterio>=1.4.4"`}, Prompt: true}}
	bare.Head.Yanked = "Wheels were built against the wrong GDAL."
	return append(append([]Case{
		{"package-full", overview.View(full)},
		{"package-dark", overview.View(dark)},
		{"package-empty", overview.View(empty)},
		{"package-error", overview.View(bare)},
	}, f.tabs()...), f.owners()...)
}

func matrix() []shared.MatrixRow {
	cell := func(tenths int64) shared.MatrixCell {
		return shared.MatrixCell{Size: tenths * 100_000, Href: "/acme/rasterio/files/linux-64/rasterio-1.4.3-py312_0.conda"}
	}
	return []shared.MatrixRow{
		{Label: "Python 3.13", Build: "build 2", Cells: []shared.MatrixCell{cell(79), cell(78), cell(76), cell(75), {}}},
		{Label: "Python 3.12", Build: "build 2", Cells: []shared.MatrixCell{cell(79), cell(78), cell(76), cell(75), cell(74)}},
		{Label: "Python 3.11", Build: "build 2", Cells: []shared.MatrixCell{cell(80), cell(79), cell(77), cell(76), cell(74)}},
		{Label: "Python 3.10", Build: "build 2", Cells: []shared.MatrixCell{cell(79), cell(78), cell(76), cell(75), cell(73)}},
	}
}

func needed() []shared.Dependency {
	var items []shared.Dependency
	for _, d := range [][2]string{{"affine", ""}, {"attrs", ""}, {"certifi", ""}, {"click", ">=4.0"}, {"click-plugins", ""}, {"cligj", ">=0.5"}, {"libgdal-core", ">=3.10.3,<3.11.0a0"}, {"numpy", ">=1.21,<3"}, {"proj", ">=9.6.0,<9.7.0a0"}, {"pyparsing", ">=2.1.0"}, {"python", ">=3.12,<3.13.0a0"}, {"snuggs", ">=1.4.1"}} {
		items = append(items, shared.Dependency{Name: d[0], Spec: d[1], Href: "/acme/" + d[0]})
	}
	return items
}
