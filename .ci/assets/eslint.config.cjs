// The rules for static/js. The packages are where .ci/setup installs them, not beside this file.
const { createRequire } = require("node:module");
const { join } = require("node:path");

const installed = createRequire(join(__dirname, "../../target/node-tools/"));
const js = installed("@eslint/js");
const globals = installed("globals");

module.exports = [
  js.configs.recommended,
  {
    languageOptions: { ecmaVersion: 2022, sourceType: "module", globals: globals.browser },
    linterOptions: { reportUnusedDisableDirectives: "error" },
  },
];
