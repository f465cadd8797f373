# Bars of the quota that is used: utilisation.gp DATA OUTPUT STRATEGIES
set terminal svg noenhanced size 900,360 font "sans,12" background "white"
set output ARG2
set datafile separator "\t"
set title "Used of 100 requests per 60 s"
set xlabel "latency"
set ylabel "%"
set yrange [0:110]
set grid ytics
set key outside right autotitle columnhead
set style data histograms
set style histogram clustered gap 1
set style fill solid 0.8 border -1
plot for [i=2:ARG3+1] ARG1 using i:xtic(1)
