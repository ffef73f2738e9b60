package ui

import (
	"cmp"
	"fmt"
	"html"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"terrarium/internal/access"
	"terrarium/internal/errs"
	"terrarium/internal/registry"
	"terrarium/internal/ui/shared"
	"terrarium/internal/web"
)

// badge draws a small picture for READMEs elsewhere. It shows what everybody may
// read; the session of a browser does not count.
func (f *Face) badge(w http.ResponseWriter, r *http.Request) error {
	nobody := access.Anonymous(web.RemoteOf(r))
	p, err := f.registry.Look(r.Context(), nobody, web.Param(r, "owner"), web.Param(r, "package"))
	if err != nil {
		return err
	}
	label, value, err := f.badgeText(r, p)
	if err != nil {
		return err
	}
	picture := drawBadge(label, value)
	h := w.Header()
	guard(h)
	h.Set("Content-Type", "image/svg+xml")
	h.Set("Cache-Control", "public, max-age=300")
	h.Set("Content-Length", strconv.Itoa(len(picture)))
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte(picture)) // the client is gone if this fails
	}
	return nil
}

func (f *Face) badgeText(r *http.Request, p registry.Package) (label, value string, err error) {
	switch web.Param(r, "badge") {
	case "version.svg":
		return f.opts.InstanceName, cmp.Or(p.Latest, "none"), nil
	case "platforms.svg":
		return "platforms", cmp.Or(strings.Join(p.Platforms, " | "), "none"), nil
	case "license.svg", "licence.svg":
		return "license", cmp.Or(p.License, "not stated"), nil
	case "downloads.svg":
		return "downloads", shared.Short(p.Downloads), nil
	default:
		return "", "", errs.New(errs.NotFound, nothingHere)
	}
}

// drawBadge makes the picture. Widths are reckoned for letters of 11 pixels, since
// nobody knows the font that will draw them.
func drawBadge(label, value string) string {
	left, right := badgeWidth(label), badgeWidth(value)
	l, v := html.EscapeString(label), html.EscapeString(value)
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%[1]d" height="20" role="img" aria-label="%[4]s: %[5]s">`+
		`<title>%[4]s: %[5]s</title><rect width="%[1]d" height="20" rx="3" fill="#3a4a43"/><path d="M%[2]d 0h%[6]da3 3 0 0 1 3 3v14a3 3 0 0 1-3 3h-%[6]dz" fill="#0d6a4e"/>`+
		`<g fill="#fff" font-family="Verdana,Geneva,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">`+
		`<text x="%[7]d" y="14">%[4]s</text><text x="%[8]d" y="14">%[5]s</text></g></svg>`,
		left+right, left, right, l, v, right-3, left/2, left+right/2)
}

func badgeWidth(text string) int { return utf8.RuneCountInString(text)*7 + 14 }
