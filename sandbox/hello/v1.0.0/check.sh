#!/bin/sh
# Serves the pages for a moment and asks for each, so that a broken image is never finished.
set -eu

version=$1
httpd -f -p 127.0.0.1:8000 -h www &
server=$!
trap 'kill "$server"' EXIT
tries=0
until wget -q -O /dev/null http://127.0.0.1:8000/version.txt; do
    tries=$((tries + 1))
    [ "$tries" -lt 50 ] || { echo "the server does not answer"; exit 1; }
    sleep 0.1
done
for page in index.html version.txt; do
    wget -q -O - "http://127.0.0.1:8000/$page" | grep -q -F "$version" || { echo "no version in $page"; exit 1; }
    echo "  GET /$page: ok, it says $version"
    sleep 0.4
done
echo "all pages answer"
