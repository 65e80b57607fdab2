// Draws what `_tags.py` has grown: [name, attributes, children], where text is text and never markup.
import { h } from "vue";

const draw = (node) => (typeof node === "string" ? node : h(node[0], node[1], node[2].map(draw)));

export default {
  props: { tree: Array },
  render() {
    return h("div", { class: "tree" }, this.tree.map(draw));
  },
};
