# Bars of CPU time a page: jobs.gp DATA OUTPUT COLUMNS IN_FLIGHT
set terminal svg noenhanced size 900,420 font "sans,12" background "white"
set output ARG2
set datafile separator "\t"
set title "CPU time a page of 50 records in 10 KB, ".ARG4." in flight (less is better)"
set ylabel "µs"
set yrange [0:*]
set grid ytics
set key top left autotitle columnhead
set style data histograms
set style histogram clustered gap 1
set style fill solid 0.8 border -1
set xtics rotate by -20
set rmargin 14
plot for [i=2:ARG3+1] ARG1 using i:xtic(1)
