#!/bin/sh
# Writes the version into the pages, one after the other, slowly enough to be watched.
set -eu

version=$1
echo "assembling hello $version"
total=0
for page in www/*; do
    [ -f "$page" ] || continue
    sed -i "s/@VERSION@/$version/g" "$page"
    bytes=$(wc -c < "$page")
    total=$((total + bytes))
    echo "  $page: $bytes bytes"
    sleep 0.3
done
echo "$version" > www/version.txt
for part in links headings colours; do
    echo "  looked over the $part"
    sleep 0.3
done
echo "assembled $total bytes"
