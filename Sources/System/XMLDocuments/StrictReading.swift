public import MigrationModel

/// Reading that leaves nothing over: what a decoder does not name is an error with its place.
extension XMLElement {
    /// An error at this element, or at one of its attributes.
    public func error(
        _ code: ErrorCode, _ what: String, attribute: String? = nil, fix: String = ""
    ) -> LivemigError {
        LivemigError(
            code, what, at: attribute.map(location(ofAttribute:)) ?? location, fix: fix)
    }

    /// Refuses every attribute, element and text that is not named here.
    /// - Throws: `E-XML-UNSUPPORTED` at the first one in the order of the document.
    public func allow(
        attributes names: [String] = [], children: [String] = [], text allowsText: Bool = false
    ) throws(LivemigError) {
        for attribute in attributes where !names.contains(attribute.name) {
            throw error(
                .xmlUnsupported, "attribute \(attribute.name) of <\(name)> is not supported",
                attribute: attribute.name, fix: Self.list("supported here", names))
        }
        for child in self.children where !children.contains(child.name) {
            throw child.error(
                .xmlUnsupported, "element <\(child.name)> is not supported",
                fix: Self.list("supported in <\(name)>", children))
        }
        guard allowsText || trimmedText.isEmpty else {
            throw error(.xmlUnsupported, "text in <\(name)> is not supported")
        }
    }

    /// The child of that name; `nil` when there is none.
    /// - Throws: `E-XML-SCHEMA` at the second one.
    public func only(_ name: String) throws(LivemigError) -> XMLElement? {
        let found = children.filter { $0.name == name }
        guard found.count < 2 else {
            throw found[1].error(
                .xmlSchema, "element <\(name)> is there twice, first at \(found[0].position)")
        }
        return found.first
    }

    /// The one child of that name.
    /// - Throws: `E-XML-SCHEMA` when there is none or a second one.
    public func one(_ name: String) throws(LivemigError) -> XMLElement {
        guard let found = try only(name) else {
            throw error(.xmlSchema, "element <\(name)> is missing in <\(self.name)>")
        }
        return found
    }

    /// The value of an attribute.
    /// - Throws: `E-XML-SCHEMA` when it is absent.
    public func required(_ attribute: String) throws(LivemigError) -> String {
        guard let value = self.attribute(attribute) else {
            throw error(.xmlSchema, "attribute \(attribute) is missing in <\(name)>")
        }
        return value
    }

    /// The value of an attribute as `parse` reads it; `nil` when it is absent.
    /// - Throws: what `parse` throws, with the attribute's place.
    public func parsed<Value>(
        _ attribute: String, _ parse: (String) throws(LivemigError) -> Value
    ) throws(LivemigError) -> Value? {
        guard self.attribute(attribute) != nil else { return nil }
        return try needed(attribute, parse)
    }

    /// The value of an attribute as `parse` reads it.
    /// - Throws: `E-XML-SCHEMA` when it is absent, and what `parse` throws, with the attribute's
    ///   place.
    public func needed<Value>(
        _ attribute: String, _ parse: (String) throws(LivemigError) -> Value
    ) throws(LivemigError) -> Value {
        let text = try required(attribute)
        do {
            return try parse(text)
        } catch {
            throw error.inDocument(at: location(ofAttribute: attribute))
        }
    }

    /// The value of an attribute that has a closed list of values; `nil` when it is absent.
    /// - Throws: `E-XML-UNSUPPORTED` for any other value.
    public func choice<Value: RawRepresentable & CaseIterable>(
        _ attribute: String, as type: Value.Type = Value.self
    ) throws(LivemigError) -> Value? where Value.RawValue == String {
        guard let text = self.attribute(attribute) else { return nil }
        guard let value = Value(rawValue: text) else {
            throw unsupported(attribute, Value.allCases.map(\.rawValue))
        }
        return value
    }

    /// Accepts an attribute only when it is absent or has one of these values.
    /// - Throws: `E-XML-UNSUPPORTED` for any other value.
    public func expect(_ attribute: String, in values: [String]) throws(LivemigError) {
        guard let text = self.attribute(attribute), !values.contains(text) else { return }
        throw unsupported(attribute, values)
    }

    private func unsupported(_ attribute: String, _ values: [String]) -> LivemigError {
        error(
            .xmlUnsupported,
            "\(attribute)=\((self.attribute(attribute) ?? "").escaped()) of <\(name)> "
                + "is not supported",
            attribute: attribute, fix: Self.list("supported", values))
    }

    private static func list(_ label: String, _ names: [String]) -> String {
        names.isEmpty ? "" : "\(label): \(names.joined(separator: " "))"
    }
}

extension LivemigError {
    /// The same error at a place in a document, told as an error of the document where it was
    /// worded as one of the command line.
    public func inDocument(at location: String) -> LivemigError {
        var copy = at(location)
        if copy.code == .usage { copy.code = .xmlSchema }
        return copy
    }
}
