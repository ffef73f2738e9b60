// Package ui is the web interface: pages for people, made on the server. A page
// is a folder below pages with a template over a typed struct; what pages share
// is in shared; files that browsers keep are in static. Pages work without
// scripts, and nothing in them is inline, as the content security policy
// forbids it.
package ui
