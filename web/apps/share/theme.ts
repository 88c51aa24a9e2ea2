// Runs before the first paint, so that a chosen theme does not flash.
try {
  const theme = localStorage.getItem("shoal.theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
} catch {
  // storage is refused; the system's preference holds
}
