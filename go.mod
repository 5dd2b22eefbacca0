module github.com/sluice-rtc/sluice

go 1.25.0
