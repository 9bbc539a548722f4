import CLibXML2
import MigrationModel

/// Copies the library's tree into values; its depth is bounded by `ParserLimits.depth`.
struct TreeReader {
    let tags: [StartTag]
    let document: String

    /// Copies an element with all below it.
    func element(_ node: UnsafeMutablePointer<xmlNode>) -> XMLElement {
        var children: [XMLElement] = []
        var text = ""
        var next = unsafe node.pointee.children
        while let child = unsafe next {
            switch unsafe child.pointee.type {
            case XML_ELEMENT_NODE: unsafe children.append(element(child))
            case XML_TEXT_NODE, XML_CDATA_SECTION_NODE:
                text += unsafe String(library: child.pointee.content)
            default: break
            }
            unsafe next = child.pointee.next
        }
        let tag = unsafe tag(of: node)
        return unsafe XMLElement(
            name: Self.name(node.pointee.name, in: node.pointee.ns),
            attributes: declarations(node, tag) + attributes(node, tag), children: children,
            text: text, position: tag.position, document: document)
    }

    /// What was noted when the parser met the element.
    func tag(of node: UnsafeMutablePointer<xmlNode>) -> StartTag {
        let index = unsafe Int(bitPattern: node.pointee._private) - 1
        guard tags.indices.contains(index) else {
            let line = unsafe xmlGetLineNo(node)
            return StartTag(position: XMLPosition(line: max(line, 1), column: 1), attributes: [:])
        }
        return tags[index]
    }

    private func attributes(
        _ node: UnsafeMutablePointer<xmlNode>, _ tag: StartTag
    ) -> [XMLAttribute] {
        var result: [XMLAttribute] = []
        var next = unsafe node.pointee.properties
        while let attribute = unsafe next {
            let name = unsafe Self.name(attribute.pointee.name, in: attribute.pointee.ns)
            let content = unsafe xmlNodeListGetString(
                node.pointee.doc, attribute.pointee.children, 1)
            defer { unsafe livemig_xml_free(content) }
            let value = unsafe String(library: content)
            result.append(
                XMLAttribute(
                    name: name, value: value, position: tag.attributes[name] ?? tag.position))
            unsafe next = attribute.pointee.next
        }
        return result
    }

    /// Namespace declarations as the attributes that they are written as.
    private func declarations(
        _ node: UnsafeMutablePointer<xmlNode>, _ tag: StartTag
    ) -> [XMLAttribute] {
        var result: [XMLAttribute] = []
        var next = unsafe node.pointee.nsDef
        while let declaration = unsafe next {
            let prefix = unsafe String(library: declaration.pointee.prefix)
            let name = prefix.isEmpty ? "xmlns" : "xmlns:\(prefix)"
            let value = unsafe String(library: declaration.pointee.href)
            result.append(
                XMLAttribute(
                    name: name, value: value, position: tag.attributes[name] ?? tag.position))
            unsafe next = declaration.pointee.next
        }
        return result
    }

    private static func name(
        _ local: UnsafePointer<xmlChar>?, in namespace: UnsafeMutablePointer<xmlNs>?
    ) -> String {
        let prefix = unsafe namespace.map { unsafe String(library: $0.pointee.prefix) } ?? ""
        return unsafe String.qualified(prefix: prefix, String(library: local))
    }
}
