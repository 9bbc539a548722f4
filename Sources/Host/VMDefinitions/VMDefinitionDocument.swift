public import MigrationModel
import XMLDocuments

/// VM definitions as files: the subset of libvirt's domain XML that livemig runs and moves.
///
/// What the subset does not hold is an error that names it, with line and column: nothing is
/// ignored, so a guest never runs without something that its owner wrote down. An attribute that
/// only states what livemig does anyway (`match="exact"`, `placement="static"`) is accepted.
/// The format: <https://libvirt.org/formatdomain.html>.
public enum VMDefinitionDocument {
    /// Reads a definition.
    /// - Parameters:
    ///   - bytes: the file's contents, UTF-8, at most 1 MiB.
    ///   - name: what errors call the file.
    ///   - generatedUUID: the identity of a VM whose definition has none; without it such a
    ///     definition is refused.
    /// - Throws: `E-XML`, `E-XML-DTD`, `E-XML-LIMIT` for a file that is not accepted as XML;
    ///   `E-XML-UNSUPPORTED`, `E-DEVICE`, `E-XML-SCHEMA`, `E-VMNAME`, `E-SIZE`, `E-RANGE` for its
    ///   content; each with `name:line:column`.
    public static func decode(
        bytes: [UInt8], name: String, generatedUUID: VMUUID? = nil
    ) throws(LivemigError) -> VMDefinition {
        let document = try XMLDocument(bytes: bytes, name: name)
        let decoder = DomainDecoder(generatedUUID: generatedUUID)
        let definition = try decoder.definition(document.root)
        try schema.validate(document)
        return definition
    }

    /// Reads a definition from a regular file; a symbolic link is refused.
    ///
    /// - Parameters:
    ///   - path: the file.
    ///   - generatedUUID: as for `decode`.
    ///   - isOwn: whether livemig wrote it: nobody else may be able to write it then.
    /// - Throws: as `decode(bytes:name:generatedUUID:)`, and `E-FILE`, `E-FILETYPE`,
    ///   `E-PERMISSION`.
    public static func read(
        path: String, generatedUUID: VMUUID? = nil, isOwn: Bool = false
    ) throws(LivemigError) -> VMDefinition {
        let bytes = try DocumentFile.read(
            path: path, writers: isOwn ? .owner(.permission) : .group,
            source: isOwn ? .own : .named)
        return try decode(bytes: bytes, name: path, generatedUUID: generatedUUID)
    }

    /// Writes a definition such that `decode` gives back an equal one.
    /// - Throws: as `VMDefinitionRules.check` for a definition that `decode` would refuse.
    public static func encode(_ definition: VMDefinition) throws(LivemigError) -> String {
        try VMDefinitionRules.check(definition)
        return try DomainEncoder.element(definition).document()
    }

    /// The most bytes of a definition.
    public static let byteLimit = ParserLimits.standard.bytes

    /// What the format allows.
    static let schema = SharedXMLSchema(source: PackageResources.domain_rng, name: "domain.rng")
}
