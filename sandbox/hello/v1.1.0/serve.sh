#!/bin/sh
# As a container's first process httpd would ignore the signal to stop; this passes it on, so stopping takes no time.
httpd -f -v -p 8000 -h /srv/hello/www &
server=$!
trap 'kill "$server"; exit 0' TERM INT
echo "hello serves on port 8000"
wait "$server"
