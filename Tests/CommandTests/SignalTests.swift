import Glibc
import LinuxSystem
import MigrationModel
import TestSupport
import Testing

/// Signals, and the end of the program, with a host that accepts connections and stays silent.
@Suite("Signals and ends", .serialized)
struct SignalTests {
    // Breaks when a list goes on after a signal, or its rest is not told.
    @Test("a signal gives up one and begins no other", arguments: [SIGINT, SIGTERM, SIGHUP])
    func list(_ signal: CInt) throws {
        let folder = try ScratchFolder()
        let port = try SilentPort()
        let run = try RunningProgram(
            ["vm", "stop", "gamma/a", "gamma/b", "--output", "json"], in: folder,
            environment: ["LIVEMIG_INVENTORY": try port.inventory(folder)])
        #expect(try port.waitForConnection())
        run.signal(signal)
        #expect(try run.finish() == 8)
        #expect(run.errors.contains("error[E-CANCELLED]: interrupted"), "\(run.errors)")
        #expect(run.errors.contains("not begun before the interruption; VM gamma/b"))
        let lines = run.output.split(separator: "\n")
        #expect(lines.count == 2, "\(run.output)")
        #expect(lines.last?.contains(#""vm":"b""#) ?? false)
    }

    // Breaks when a move catches a signal that its caller has told it to ignore.
    @Test("what is ignored stays ignored", arguments: [("HUP", SIGHUP), ("INT", SIGINT)])
    func inherited(_ name: String, _ number: CInt) throws {
        let folder = try ScratchFolder()
        let port = try SilentPort()
        let run = try RunningProgram(
            ["move", "gamma/a", "gamma/b", "--to", "beta"], in: folder, ignoring: [name],
            environment: [
                "LIVEMIG_INVENTORY": try port.inventory(folder, hosts: ["gamma", "beta"])
            ])
        #expect(try port.waitForConnection())
        let bit = UInt64(1) << UInt64(number - 1)
        let term = UInt64(1) << UInt64(SIGTERM - 1)
        #expect(run.signals("SigIgn") & bit != 0)
        #expect(run.signals("SigCgt") & (bit | term) == term)
        run.signal(number)
        run.signal(SIGTERM)
        #expect(try run.finish() == 8)
        #expect(run.errors.contains("cancelled before the move began"), "\(run.errors)")
        #expect(run.errors.contains("0 of 2 VMs moved"), "\(run.errors)")
    }

    // Breaks when the libraries' clean-up runs beside threads that are still in a library: OpenSSL
    // frees its locks under an SSH connection, and the program ends with SIGSEGV.
    @Test("the program ends without the clean-up of libraries")
    func end() throws {
        let folder = try ScratchFolder()
        for (program, arguments) in [
            ("livemig", ["--version"]), ("livemig-agent", ["--version"]),
            ("livemig-agent", ["serve", "--root", "/nonexistent/root"]), ("livemig", ["nonsense"]),
        ] {
            let log = UInt64.random(in: .min ... .max).hexadecimal
            let null = try OwnedDescriptor.open("/dev/null", O_RDWR)
            let process = try ChildProcess(
                .init(
                    try BuildProducts.program(program), arguments,
                    environment: [
                        "LD_DEBUG": "files", "LD_DEBUG_OUTPUT": folder.path(log),
                    ],
                    descriptors: [0: null.number, 1: null.number, 2: null.number]))
            _ = process.wait()
            let trace = folder.read("\(log).\(process.id)")
            #expect(trace.contains("calling init:"), "\(program) was not traced")
            #expect(!trace.contains("calling fini:"), "\(program) \(arguments)")
        }
    }

    // Breaks when each VM of a list costs the time-outs of a host that is off, or nobody is told
    // what is waited for.
    @Test("a silent host is asked once")
    func silentOnce() throws {
        let folder = try ScratchFolder()
        let port = try SilentPort()
        let run = try RunningProgram(
            ["vm", "show", "gamma/a", "gamma/b", "gamma/c"], in: folder,
            environment: ["LIVEMIG_INVENTORY": try port.inventory(folder)])
        #expect(try run.finish() == 5)
        #expect(try port.connections() == 1)
        #expect(run.errors.hasPrefix("waiting for gamma (127.0.0.1)…\n"), "\(run.errors)")
        #expect(run.errors.split(separator: "error[E-CONNECT]").count == 4, "\(run.errors)")
    }
}
