import Glibc
public import GuestFiles
import Hypervisor
import LinuxSystem
public import MigrationModel

/// Finds out what the QEMU of this host is and can do, by asking the program itself.
///
/// Answers are kept: one program file is asked once.
public final class QEMUProbe: Sendable {
    /// What one program file is.
    public struct Facts: Hashable, Sendable {
        /// The program.
        public let program: String
        /// Its release.
        public let version: QEMUVersion
        /// Whether it can be started with the system call filter.
        public let sandbox: Bool
        /// The machine types it offers.
        public let machines: MachineTypes
    }

    private let versions = Monitor<[String: QEMUVersion]>([:])
    private let known = Monitor<[String: Facts]>([:])

    /// How long QEMU may take to print what it is.
    private static let patience = Duration.seconds(15)

    private let files: FilesChoice

    /// Says which programs may be executed, and as whom, when one is looked for.
    public typealias FilesChoice = @Sendable () throws(LivemigError) -> GuestFileRules

    /// Starts without knowledge.
    public init(
        files: @escaping FilesChoice = { () throws(LivemigError) in GuestFileRules(GuestFolders()) }
    ) {
        self.files = files
    }

    /// The program that runs a definition: its emulator, or the distribution's QEMU.
    /// - Throws: `E-QEMU` naming the package when there is none, `E-FORBIDDEN` for one that may not be
    ///   executed here.
    public func program(for definition: VMDefinition) throws(LivemigError) -> String {
        let architecture = definition.boot.architecture
        let candidates =
            definition.emulator.map { [$0] }
            ?? ["/usr/bin/qemu-system-\(architecture)", "/usr/libexec/qemu-kvm"]
        let rules = try files()
        for candidate in candidates {
            guard let program = try rules.program(candidate), unsafe access(program, X_OK) == 0
            else { continue }
            return program
        }
        throw LivemigError(
            .qemu, "QEMU for \(architecture.escaped()) is not installed",
            at: candidates.map { $0.escaped() }.joined(separator: " or "),
            fix: "install the package \(Self.package(for: architecture))")
    }

    /// The Debian package with QEMU for an architecture.
    static func package(for architecture: String) -> String {
        switch architecture {
        case "x86_64", "i386", "i686": "qemu-system-x86"
        case "aarch64", "arm", "armv7l": "qemu-system-arm"
        case "ppc", "ppc64", "ppc64le": "qemu-system-ppc"
        case "s390x": "qemu-system-s390x"
        default: "qemu-system-misc"
        }
    }

    /// Asks a program for its release, which is quick.
    /// - Throws: `E-QEMU` when it does not start, is not QEMU, or is too old.
    public func version(of program: String) throws(LivemigError) -> QEMUVersion {
        if let version = versions.withLock({ $0[program] }) { return version }
        let (text, status) = try run(program, ["--version"])
        guard status == 0, let version = QEMUVersion(versionOutput: text) else {
            throw LivemigError(
                .qemu,
                "--version ended with status \(status): \(text.prefix(200).description.escaped())",
                at: program)
        }
        guard version >= QEMUVersion.oldest else {
            throw LivemigError(
                .qemu, "\(version) is too old", at: program,
                fix: "install \(QEMUVersion.oldest) or newer")
        }
        versions.withLock { $0[program] = version }
        return version
    }

    /// Asks a program what it is and can do.
    /// - Throws: as `version(of:)`.
    public func facts(of program: String) throws(LivemigError) -> Facts {
        if let facts = known.withLock({ $0[program] }) { return facts }
        let version = try version(of: program)
        // Options are parsed in order, and a build without the filter refuses the first.
        let sandbox =
            try run(program, ["-sandbox", QEMUArguments.sandbox, "--version"]).status == 0
        let facts = Facts(
            program: program, version: version, sandbox: sandbox,
            machines: try machineTypes(of: program))
        known.withLock { $0[program] = facts }
        return facts
    }

    private func machineTypes(of program: String) throws(LivemigError) -> MachineTypes {
        let (text, status) = try run(program, ["-machine", "help"])
        guard status == 0 else {
            throw LivemigError(.qemu, "-machine help ended with status \(status)", at: program)
        }
        return MachineTypes(helpOutput: text)
    }

    /// Insists that hardware virtualisation can be used where a definition asks for it.
    /// - Throws: `E-QEMU` with the system's reason.
    public func requireAccelerator(of definition: VMDefinition) throws(LivemigError) {
        guard definition.kind == .kvm else { return }
        do {
            _ = try OwnedDescriptor.open("/dev/kvm", O_RDWR, as: .qemu)
        } catch {
            throw LivemigError(
                .qemu, "KVM cannot be used: \(error.what)", at: "/dev/kvm",
                fix: "load the kvm module of this CPU, or write <domain type=\"qemu\">")
        }
    }

    private func run(
        _ program: String, _ arguments: [String]
    ) throws(LivemigError) -> (text: String, status: Int32) {
        let user = try files().user
        let output = try ProgramOutput(
            user?.command(program, arguments, environment: ["LC_ALL": "C"])
                ?? .init(program, arguments, environment: ["LC_ALL": "C"]),
            patience: Self.patience, as: .qemu)
        return (output.text, output.status)
    }
}
