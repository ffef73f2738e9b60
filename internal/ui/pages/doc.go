// Package pages is the folder of the pages of the web interface; each has a
// package of its own below it, with its struct, its template and its style.
package pages
