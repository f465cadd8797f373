# CPU time and memory of headgate as the work grows: growth.gp DATA OUTPUT
set terminal svg size 1080,400 font "sans,12" background "white"
set output ARG2
set datafile separator "\t"
set logscale x
set format x "10^{%L}"
set yrange [0:*]
set y2range [0:*]
set ytics nomirror
set y2tics
set grid xtics ytics
set key below center vertical maxrows 2
set multiplot layout 1,3 title "headgate as the work grows"
set xlabel "pages"
plot ARG1 index 0 using 1:2 axes x1y1 with linespoints title "CPU µs a page", \
     ARG1 index 0 using 1:3 axes x1y2 with linespoints title "peak RSS MiB (right)"
set xlabel "requests in flight"
plot ARG1 index 1 using 1:2 axes x1y1 with linespoints title "CPU µs a page", \
     ARG1 index 1 using 1:3 axes x1y2 with linespoints title "peak RSS MiB (right)"
set xlabel "records a page"
plot ARG1 index 2 using 1:($2/$1) axes x1y1 with linespoints title "CPU µs a record", \
     ARG1 index 2 using 1:3 axes x1y2 with linespoints title "peak RSS MiB (right)"
unset multiplot
