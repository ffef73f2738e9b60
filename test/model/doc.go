// Package model compares the whole program with a model of it: random changes go
// through the public door, and every form of the index, at every generation, must
// be what is made from the model without any of the program's short cuts.
package model
