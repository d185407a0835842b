// Package deploytest checks what is in deploy/ and docker-compose.yml without a container engine: that the files parse, that they name
// things that exist, and that they keep to the rules for images and services. It has tests only.
package deploytest
