// Package model compares the whole program with a model of it: random changes go
// through the public door, and every form of the index, at every generation, must
// be what is made from the model without any of the program's short cuts.
//
// Predicates, by which a policy decides what a channel shows to whom, are served at
// no address yet. Their views are therefore read from the index of the running
// program, with the rights of the person who would ask; all else goes by HTTP.
package model
