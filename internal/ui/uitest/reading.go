package uitest

import (
	"strings"
	"time"

	"terrarium/internal/ui/pages/home"
	"terrarium/internal/ui/pages/search"
	"terrarium/internal/ui/shared"
)

func row(owner, name, version, summary string, released float64, downloads int64) shared.PackageRow {
	return shared.PackageRow{Owner: owner, Name: name, Version: version, Summary: summary, Released: ago(released), Downloads: downloads, Spark: days(30, len(name)*7+int(downloads%97), max(1, downloads/20))}
}

// reading are the pages that find packages.
func (f frames) reading() []Case {
	front := f.anonymous("", "/")
	front.NoSearch = true
	full := home.Page{
		Page: front, Packages: 31802, Channels: 6,
		Samples: []shared.Link{{Text: "polars", Href: "/search?q=polars"}, {Text: "licence:MIT raster", Href: "/search?q=licence%3AMIT+raster"}, {Text: "platform:osx-arm64 cuda", Href: "/search?q=platform%3Aosx-arm64+cuda"}},
		Recent: home.List{Rows: []shared.PackageRow{
			row("acme", "xarray", "2025.4.0", "N-D labelled arrays and datasets in Python", 0.2, 96),
			row("acme", "gdal", "3.10.3", "Translator library for raster and vector formats", 1.1, 96),
			row("bio", "samtools", "1.21", "Tools for reading and writing SAM, BAM and CRAM", 1.4, 96),
			row("acme", "pyproj", "3.7.1", "Python interface to PROJ", 2, 96),
			row("acme", "rasterio", "1.4.3", "Fast and direct raster I/O for NumPy", 3, 96),
			row("ana", "cookiecutter-geo", "0.4.0", "Project template for geospatial work", 3.2, 96),
		}},
		Popular: home.List{Rows: []shared.PackageRow{
			row("conda-forge", "numpy", "2.2.6", "", 9, 184211),
			row("conda-forge", "python", "3.12.11", "", 9, 171034),
			row("conda-forge", "pandas", "2.3.0", "", 9, 122400),
			row("conda-forge", "scikit-learn", "1.7.0", "", 9, 88120),
			row("conda-forge", "polars", "1.31.0", "", 9, 41007),
			row("acme", "gdal", "3.10.3", "", 9, 23190),
		}},
		Listed: []home.Channel{
			{Owner: "acme", Name: "main", Kind: "local", Description: "Acme platform team", Packages: 412},
			{Owner: "conda-forge", Name: "main", Kind: "proxy", Description: "Community packages, checked by our policies", Packages: 31204},
			{Owner: "bio", Name: "main", Kind: "local", Description: "Bioinformatics core", Packages: 186},
			{Owner: "acme", Name: "prod", Kind: "virtual", Description: "What production may use", Packages: 1940},
		},
		Setup: shared.Install{Chosen: "conda", Tools: []shared.Tool{
			{Name: "conda", Lines: []string{"conda config --prepend channels https://conda.acme.example/conda/conda-forge", "conda install numpy"}},
			{Name: "mamba", Lines: []string{"mamba config prepend channels https://conda.acme.example/conda/conda-forge", "mamba install numpy"}},
			{Name: "pixi", Lines: []string{"pixi workspace channel add https://conda.acme.example/conda/conda-forge", "pixi add numpy"}},
		}},
		InstallerURL: "/install/acme",
	}
	empty := home.Page{Page: front, Upload: []string{"anaconda login --at https://conda.acme.example", "anaconda upload mypackage-1.0-0.conda"}}
	failing := full
	failing.Recent = home.List{Failed: "This list cannot be read just now."}
	failing.Setup.Chosen = "pixi"
	failing.InstallerURL = ""
	return append([]Case{
		{"home-full", home.View(full)},
		{"home-empty", home.View(empty)},
		{"home-error", home.View(failing)},
	}, f.searching()...)
}

func (f frames) searching() []Case {
	result := func(owner, name, version, summary, licence, platforms string, released float64, downloads int64, badges ...shared.Badge) search.Result {
		return search.Result{
			Owner: owner, Name: name, Version: version, NameSpans: shared.Mark(name, "raster"), Summary: shared.Mark(summary, "raster"),
			Licence: licence, Platforms: platforms, Released: ago(released), Downloads: downloads, Badges: badges, Spark: days(30, len(name)+int(downloads%31), downloads/20),
		}
	}
	frame := f.member("raster", "/search?q=raster", "ana")
	frame.Query = "raster"
	full := search.Page{
		Page: frame, Total: 73, Took: 14 * time.Millisecond,
		Facets: []search.Facet{
			{Name: "owner", Label: "Owner", Options: []search.FacetOption{{Value: "conda-forge", Label: "conda-forge", Count: 61}, {Value: "acme", Label: "acme", Count: 9}, {Value: "bio", Label: "bio", Count: 3}}},
			{Name: "platform", Label: "Platform", Options: []search.FacetOption{{Value: "linux-64", Label: "linux-64", Count: 58, Checked: true}, {Value: "noarch", Label: "noarch", Count: 22, Checked: true}, {Value: "osx-arm64", Label: "osx-arm64", Count: 49}, {Value: "win-64", Label: "win-64", Count: 44}, {Value: "linux-aarch64", Label: "linux-aarch64", Count: 41}}, More: 5, MoreURL: "/search?q=raster&more=platform"},
			{Name: "licence", Label: "Licence", Options: []search.FacetOption{{Value: "BSD-3-Clause", Label: "BSD-3-Clause", Count: 24}, {Value: "MIT", Label: "MIT", Count: 17}, {Value: "Apache-2.0", Label: "Apache-2.0", Count: 11}, {Value: "GPL-3.0-or-later", Label: "GPL-3.0-or-later", Count: 9}, {Value: "none", Label: "Not stated", Count: 2}}, More: 4, MoreURL: "/search?q=raster&more=licence"},
			{Name: "kind", Label: "Kind", Options: []search.FacetOption{{Value: "conda", Label: "conda", Count: 73}, {Value: "wheel", Label: "wheel", Count: 6}, {Value: "notebook", Label: "notebook", Count: 1}, {Value: "environment", Label: "environment", Count: 2}}},
		},
		Text: "raster", Chips: []search.Chip{{Filter: "platform", Label: "linux-64", Href: "/search?q=raster&platform=noarch"}, {Filter: "platform", Label: "noarch", Href: "/search?q=raster&platform=linux-64"}}, ClearURL: "/search?q=raster",
		Orders: []shared.Option{{Value: "match", Label: "Best match", Selected: true}, {Value: "downloads", Label: "Downloads"}, {Value: "released", Label: "Released last"}, {Value: "name", Label: "Name"}},
		Results: []search.Result{
			result("acme", "rasterio", "1.4.3", "Fast and direct raster I/O for use with NumPy", "BSD-3-Clause", "5 platforms", 3, 11482),
			result("conda-forge", "rasterio", "1.4.3", "Rasterio reads and writes geospatial raster datasets", "BSD-3-Clause", "5 platforms", 150, 38120),
			result("acme", "rioxarray", "0.19.0", "xarray extension powered by rasterio", "Apache-2.0", "noarch", 21, 6204),
			result("conda-forge", "rasterstats", "0.20.0", "Summarise raster data with vector geometries", "BSD-3-Clause", "noarch", 370, 4871),
			result("conda-forge", "gdal", "3.10.3", "Translator library for raster and vector geospatial formats", "MIT", "5 platforms", 125, 52903, shared.Badge{Kind: "warn", Icon: "triangle-alert", Text: "2 older releases blocked", Href: "/conda-forge/gdal/releases"}),
			result("acme", "raster-tiles", "0.8.2", "Cut and serve raster tiles; used by the map team", "", "linux-64", 6, 412, shared.Badge{Icon: "lock", Text: "Private"}),
			result("conda-forge", "r-raster", "3.6_32", "Reading, writing and modelling gridded spatial data", "GPL-3.0-or-later", "4 platforms", 215, 9015),
			result("conda-forge", "rio-cogeo", "5.4.1", "Cloud optimised GeoTIFF plugin for rasterio", "BSD-3-Clause", "noarch", 150, 3377),
			result("conda-forge", "libwebp-base", "1.3.1", "WebP image library: raster image coding", "BSD-3-Clause", "5 platforms", 740, 1208, shared.Badge{Kind: "bad", Icon: "ban", Text: "Blocked by policy", Href: "/why/8KQ2"}),
		},
		Pages: shared.Pager{From: 1, To: 9, Total: 73, Took: 14 * time.Millisecond, Next: "/search?q=raster&after=9"},
	}
	nothing := full
	nothing.Query, nothing.Total, nothing.Results = "rastr", 0, nil
	nothing.Nothing = &search.Nothing{Facet: &search.Chip{Label: "noarch", Href: "/search?q=rastr&platform=linux-64"}, WithoutURL: "/search?q=rastr", DidYouMean: &shared.Link{Text: "raster", Href: "/search?q=raster"}}
	bad := full
	bad.Query = "license:MIT " + strings.Repeat("long", 40)
	bad.BadFilter = &search.BadFilter{Word: "license", Known: []string{"owner", "platform", "licence", "kind"}}
	bad.Page.Viewer = nil
	evil := full
	evil.Query = `"><script>alert(1)</script><img src=x onerror=alert(1)>`
	evil.Title, evil.Path = evil.Query, "/search?q="+evil.Query
	evil.Results = []search.Result{
		result(evil.Query, evil.Query, evil.Query, evil.Query+" raster", evil.Query, evil.Query, 3, 1, shared.Badge{Text: evil.Query, Href: "javascript:alert(1)"}),
		result(strings.Repeat("o", 39), strings.Repeat("long-name-", 12), strings.Repeat("9.", 60), "رسم الخرائط raster "+strings.Repeat("w", 300), "MIT", "noarch", 3, 1),
	}
	evil.Chips = []search.Chip{{Label: evil.Query, Href: "javascript:alert(1)"}}
	return []Case{
		{"search-hostile", search.View(evil)},
		{"search-full", search.View(full)},
		{"search-empty", search.View(nothing)},
		{"search-error", search.View(bad)},
	}
}
