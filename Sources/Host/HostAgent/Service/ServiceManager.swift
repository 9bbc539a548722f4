import Glibc
import LinuxSystem
import MigrationModel

/// systemd, where it runs this host: it keeps guardians in units of their own.
///
/// A unit is outside the session of the login that started it, which some hosts end with all that
/// is in it, and systemd starts a guardian again that was killed.
struct ServiceManager: Sendable {
    private let program: String

    /// What a unit runs.
    struct Service: Sendable {
        /// The name of the unit before its number.
        var name: String
        /// What it is, for people.
        var description: String
        /// The program file, and its arguments.
        var command: [String]
        /// The whole environment.
        var environment: [String: String]
        /// The file that gets its standard error.
        var log: String
    }

    /// The group that units are in, among systemd's.
    static let slice = "/machine.slice"
    /// How long systemd may take to start a unit.
    private static let patience = Duration.seconds(20)

    /// The service manager of a host; `nil` where it is none, not for this process, or not wanted.
    ///
    /// What it starts is in the namespaces of process 1, and only root may ask it.
    static func of(_ root: HostRoot) -> ServiceManager? {
        guard geteuid() == 0, unsafe access("/run/systemd/system", F_OK) == 0,
            unsafe access(root.refusalOfUnits, F_OK) != 0,
            ["mnt", "net", "pid", "user"].allSatisfy(isSharedWithFirstProcess)
        else { return nil }
        for program in ["/usr/bin/systemd-run", "/bin/systemd-run"]
        where unsafe access(program, X_OK) == 0 { return ServiceManager(program: program) }
        return nil
    }

    private static func isSharedWithFirstProcess(_ kind: String) -> Bool {
        var (own, first) = (stat(), stat())
        guard unsafe stat("/proc/self/ns/\(kind)", &own) == 0,
            unsafe stat("/proc/1/ns/\(kind)", &first) == 0
        else { return false }
        return own.st_dev == first.st_dev && own.st_ino == first.st_ino
    }

    /// Starts a unit and returns once its program runs.
    /// - Throws: `E-IO` with what systemd says.
    func start(_ service: Service) throws(LivemigError) {
        let output = try ProgramOutput(
            of: program, Self.arguments(service), patience: Self.patience)
        guard output.status == 0 else {
            throw LivemigError(
                .io, "systemd does not start the guardian: \(output.text.escaped())",
                at: "systemd-run, status \(output.status)",
                fix: "see systemctl status and journalctl on this host")
        }
    }

    /// The arguments of systemd-run(1); the properties are those of systemd.service(5),
    /// systemd.exec(5) and systemd.kill(5).
    static func arguments(_ service: Service) -> [String] {
        let number = UInt32.random(in: .min ... .max)
        let properties = [
            // An unexpected end is a signal; a guardian that ends by itself has done its work.
            "Restart=on-abnormal", "RestartSec=100ms",
            // The guest lives on while its guardian is started again, or stopped.
            "KillMode=process", "OOMPolicy=continue", "TasksMax=infinity",
            "LimitMEMLOCK=infinity", "LimitCORE=0", "UMask=0077",
            "StandardError=append:\(service.log)",
        ]
        let environment = service.environment.sorted { $0.key < $1.key }
        return [
            "--quiet", "--collect", "--service-type=exec", "--slice=\(String(slice.dropFirst()))",
            "--unit=\(service.name)-\(String(number, radix: 16)).service",
            "--description=\(service.description)",
        ] + properties.map { "--property=\($0)" }
            + environment.map { "--setenv=\($0.key)=\($0.value)" } + ["--"] + service.command
    }
}
