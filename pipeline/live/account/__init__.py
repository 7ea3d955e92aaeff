"""Where every frame went: received = pending + kept + waiting + not selected + shed + lost, whatever died meanwhile."""
